"""`edgekit golden`: what a recipe's float model finds in its golden frames: shown, compared, written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.cli.golden_frames import Seen
    from edgekit.host.catalogue.recipes import RecipeFolder


@examples("edgekit golden recipes/sorting-line", "edgekit golden recipes/sorting-line --check --target rk3588-debian12")
def golden(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="The recipe's folder.")],
    write: Annotated[bool, typer.Option("--write", help="Take what is found as the golden answers.")] = False,
    check: Annotated[bool, typer.Option("--check", help="End with 5 where answers left the tolerances.")] = False,
    target: Annotated[
        str, typer.Option("--target", "-t", help="Also hold the engines for this target against the float model.")
    ] = "",
    frame: Annotated[
        list[int] | None,
        typer.Option(min=0, max=10_000_000, help="Frame of the clip, for a recipe without golden frames. Repeatable."),
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder for annotated pictures; by default below out/.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what the float model finds in the golden frames, and what changed; write it only with --write."""
    from edgekit.cli.golden_frames import engine_differences, look
    from edgekit.errors import InputError
    from edgekit.host.cache import using
    from edgekit.host.catalogue.recipes import read_recipe
    from edgekit.host.catalogue.targets import find_target

    if write and check:
        raise InputError("--write and --check exclude each other", hint="look first, then --write; --check compares")
    settings, out = settings_of(ctx), output_for(as_json)
    board = find_target(target, settings) if target else None
    folder = read_recipe(recipe, unwritten=("golden.expected",))
    if frame and folder.recipe.golden is not None:
        hint = "leave --frame out, or change golden.frames in recipe.toml"
        raise InputError("--frame is for a recipe without golden frames, and this one has some", hint=hint)
    ctx.with_resource(using(settings.cache_dir))
    if board is not None and folder.recipe.golden is None:
        hint = f"edgekit golden {folder.folder} --write makes some"
        raise InputError("--target holds engines against golden frames, and this recipe has none", hint=hint)
    shown = pictures or Path("out", f"{folder.recipe.name}-golden")
    with look(folder, tuple(frame or ()), settings, out) as seen:
        _draw(seen, shown)
        if check:
            _check(folder, seen, shown)
        if write:
            _write(folder, seen)
        off = engine_differences(folder, seen, board, settings, out) if board else []
    if check and off:
        _fail_for_engine(target, off)
    facts = _facts(folder, seen, shown, written=write) | {"target": target, "engine_differences": off}
    agree = [f"engines for {target} find the same"] if board and not off else []
    out.result(facts, "\n".join([*_words(folder, seen, shown, written=write), *off, *agree]))


def _draw(seen: Seen, folder: Path) -> None:
    from edgekit.host.golden.drawing import draw
    from edgekit.host.golden.writing import write_new

    for report in seen.frames:
        write_new((folder / report.frame).with_suffix(".png"), draw(report.file, report.found, report.changes))


def _check(folder: RecipeFolder, seen: Seen, shown: Path) -> None:
    """Raise EngineError where answers left the recipe's tolerances, or there are none."""
    from edgekit.errors import EngineError, InputError

    if seen.proposed:
        hint = f"edgekit golden {folder.folder} shows frames to take"
        raise InputError(f"{folder.folder}/recipe.toml has no golden frames", hint=hint)
    if seen.beyond:
        raise EngineError(
            f"{folder.folder}: the float model finds other things than the golden answers say in "
            f"{len(seen.beyond)} of {len(seen.frames)} frames: {seen.beyond[0].words}",
            hint=f"look at {shown}; where it is right, edgekit golden {folder.folder} --write",
            details="\n".join(report.words for report in seen.beyond),
        )


def _fail_for_engine(target: str, off: list[str]) -> None:
    from edgekit.errors import EngineError

    raise EngineError(
        f"the engines for {target} find other things than the float model: {off[0]}",
        hint="add calibration pictures, or quantise less of the model: precision and quantisation in recipe.toml",
        details="\n".join(off),
    )


def _write(folder: RecipeFolder, seen: Seen) -> None:
    """Write the answers, and the frames where they were taken from the clip.

    Raises:
        InputError: nothing is found in any frame, or other frames of these names are there.
    """
    from edgekit.errors import InputError
    from edgekit.host.golden.writing import FOLDER, answers_text, write_frames, write_new

    if nothing := _nothing(seen):
        raise InputError(
            f"{nothing}: such answers would also pass an engine that sees nothing", hint=_cure(folder, seen)
        )
    if seen.proposed:
        write_frames({report.frame: report.file.read_bytes() for report in seen.frames}, folder.folder / FOLDER)
    answers = {report.frame: report.found for report in seen.frames}
    write_new(folder.file(seen.golden.expected), answers_text(answers))


def _nothing(seen: Seen) -> str:
    """What is wrong with frames that nothing at all is found in."""
    if any(report.found for report in seen.frames):
        return ""
    return f"nothing is found in any of {len(seen.frames)} frames by {', '.join(seen.passed) or 'no stage'}"


def _cure(folder: RecipeFolder, seen: Seen) -> str:
    following = [name for name in folder.recipe.pipeline.stages if name not in seen.passed]
    if not following:
        return "add a stage that makes detections of the model's outputs, or choose frames with something in them"
    return (
        f"choose frames with something in them; if stage {following[0]} makes detections and has no state, "
        "write stateless = True in its class"
    )


def _facts(folder: RecipeFolder, seen: Seen, shown: Path, *, written: bool) -> dict[str, object]:
    from edgekit.host.golden.writing import section

    return {
        "recipe": folder.recipe.name,
        "frames": [
            {
                "frame": report.frame,
                "found": report.found,
                "changes": report.changes,
                "within_tolerance": report.within,
                "picture": str((shown / report.frame).with_suffix(".png")),
            }
            for report in seen.frames
        ],
        "dropped": seen.dropped,
        "stages": seen.passed,
        "expected": str(folder.file(seen.golden.expected)),
        "written": written,
        "add_to_recipe": section(seen.golden) if seen.proposed else "",
    }


def _words(folder: RecipeFolder, seen: Seen, shown: Path, *, written: bool) -> list[str]:
    from edgekit.host.golden.writing import section

    expected = folder.file(seen.golden.expected)
    lines = [
        *(report.words for report in seen.frames),
        *(f"{name}: no golden frame of this recipe any more" for name in seen.dropped),
        f"stages: {', '.join(seen.passed) or 'none without state before the first one with state'}",
        f"pictures: {shown}",
    ]
    if written:
        lines.append(f"written: {expected}")
    elif nothing := _nothing(seen):
        lines.append(f"{nothing}: {_cure(folder, seen)}")
        return lines
    elif seen.proposed or seen.dropped or any(report.changes for report in seen.frames):
        lines.append(f"nothing written; if the pictures are right: edgekit golden {folder.folder} --write")
    if seen.proposed:
        lines += [f"{'add' if written else 'then add'} to {folder.folder}/recipe.toml:", "", section(seen.golden)]
    return lines
