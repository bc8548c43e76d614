"""`edgekit golden`: what a recipe's float model finds in its golden frames: shown, compared, written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.host.workflow.golden import GoldenReport


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
    from edgekit.host.workflow.golden import GoldenOptions, find_golden

    output = output_for(as_json)
    options = GoldenOptions(write=write, check=check, target=target, frames=tuple(frame or ()), pictures=pictures)
    report = find_golden(recipe, options, workstation_of(ctx, output))
    agree = [f"engines for {target} find the same"] if target and not report.engine_differences else []
    output.result(_facts(report), "\n".join([*_words(report), *report.engine_differences, *agree]))


def _facts(report: GoldenReport) -> dict[str, object]:
    return {
        "recipe": report.recipe,
        "frames": [
            {
                "frame": one.frame,
                "found": one.found,
                "changes": one.changes,
                "within_tolerance": one.within,
                "picture": str(report.picture(one.frame)),
            }
            for one in report.frames
        ],
        "dropped": report.dropped,
        "stages": report.passed,
        "expected": str(report.expected),
        "written": report.written,
        "add_to_recipe": "" if report.written else report.section,
        "target": report.target,
        "engine_differences": report.engine_differences,
    }


def _words(report: GoldenReport) -> list[str]:
    lines = [
        *(one.words for one in report.frames),
        *(f"{name}: no golden frame of this recipe any more" for name in report.dropped),
        f"stages: {', '.join(report.passed) or 'none without state before the first one with state'}",
        f"pictures: {report.pictures}",
    ]
    if report.written:
        lines.append(f"written: {report.expected}")
    elif report.nothing:
        lines.append(f"{report.nothing}: {report.cure}")
        return lines
    elif report.section or report.dropped or any(one.changes for one in report.frames):
        lines.append(f"nothing written; if the pictures are right: edgekit golden {report.folder} --write")
    if report.section:
        lines += [f"{report.folder}/recipe.toml {'names' if report.written else 'will name'} them:", "", report.section]
    return lines
