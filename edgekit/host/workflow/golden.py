"""Finds what a recipe's float model sees in its golden frames; draws, compares and writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EngineError, InputError
from edgekit.host.cache_users import using
from edgekit.host.catalogue.recipes import RecipeFolder, read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.golden.drawing import draw
from edgekit.host.golden.report import FrameReport
from edgekit.host.golden.writing import FOLDER, add_section, answers_text, section, write_frames, write_new
from edgekit.host.own_folder import temporary_folder
from edgekit.host.workflow.golden_frames import Seen, engine_differences, look
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenOptions:
    """What is done with what is found."""

    write: bool = False
    """Take it as the golden answers."""
    check: bool = False
    """Raise where answers left the recipe's tolerances."""
    target: str = ""
    """Also hold this target's engines against the float model; empty: no engines."""
    frames: tuple[int, ...] = ()
    """Frames of the clip, for a recipe without golden frames; none: some of them."""
    pictures: Path | None = None
    """Folder for annotated pictures; None: one below `out/`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenReport:
    """What was found, and what was done with it."""

    recipe: str
    folder: Path
    """The recipe's."""
    frames: tuple[FrameReport, ...]
    dropped: tuple[str, ...]
    """Frames that have golden answers, and are none of the recipe's golden frames."""
    passed: tuple[str, ...]
    """Stages that the frames passed."""
    pictures: Path
    """Folder of the annotated pictures."""
    expected: Path
    """File of the golden answers."""
    written: bool
    section: str
    """What recipe.toml lacks, and gets once answers are written; empty where it named its golden frames before."""
    nothing: str
    """What is wrong where nothing at all is found; empty otherwise."""
    cure: str
    """What to do then."""
    target: str
    engine_differences: tuple[str, ...]

    def picture(self, frame: str) -> Path:
        """The annotated picture of a frame."""
        return picture_of(frame, self.pictures)


def find_golden(recipe: Path, options: GoldenOptions, station: Workstation) -> GoldenReport:
    """Find what is in a recipe's golden frames, or in frames of its clip where it has none.

    Args:
        recipe: its folder.
        options: what is done with it.
        station: this machine.

    Raises:
        InputError: the options contradict each other or the recipe, its code fails, or nothing is found to be written.
        EngineError: a model cannot be run, or answers left the tolerances where that was to be checked.
    """
    folder, target = _read(recipe, options, station)
    pictures = options.pictures or Path("out", f"{folder.recipe.name}-golden")
    differences: tuple[str, ...] = ()
    with (
        using(station.settings.cache_dir),
        temporary_folder("edgekit-golden-") as scratch,
    ):
        seen = look(folder, options.frames, Path(scratch), station)
        for one in seen.frames:
            write_new(picture_of(one.frame, pictures), draw(one.file, one.found, one.changes))
        if options.check:
            _check(folder, seen, pictures)
        if options.write:
            _write(folder, seen)
        if target is not None:
            differences = engine_differences(folder, seen, target, station)
    if options.check and differences:
        raise _engine_error(options.target, differences)
    return GoldenReport(
        recipe=folder.recipe.name,
        folder=folder.folder,
        frames=seen.frames,
        dropped=seen.dropped,
        passed=seen.passed,
        pictures=pictures,
        expected=folder.file(seen.golden.expected),
        written=options.write,
        section=section(seen.golden) if seen.proposed else "",
        nothing=seen.nothing,
        cure=_cure(folder, seen),
        target=options.target,
        engine_differences=differences,
    )


def _read(recipe: Path, options: GoldenOptions, station: Workstation) -> tuple[RecipeFolder, Target | None]:
    """The recipe and the target, as far as they suit the options."""
    if options.write and options.check:
        raise InputError("--write and --check exclude each other", hint="look first, then --write; --check compares")
    target = find_target(options.target, station.settings) if options.target else None
    folder = read_recipe(recipe, unwritten=("golden.expected",))
    if options.frames and folder.recipe.golden is not None:
        hint = "leave --frame out, or change golden.frames in recipe.toml"
        raise InputError("--frame is for a recipe without golden frames, and this one has some", hint=hint)
    if target is not None and folder.recipe.golden is None:
        hint = f"edgekit golden {folder.folder} --write makes some"
        raise InputError("--target holds engines against golden frames, and this recipe has none", hint=hint)
    return folder, target


def picture_of(frame: str, pictures: Path) -> Path:
    """Where the annotated picture of a frame goes."""
    return (pictures / frame).with_suffix(".png")


def _check(folder: RecipeFolder, seen: Seen, pictures: Path) -> None:
    """Raise where answers left the recipe's tolerances, or there are none."""
    if seen.proposed:
        hint = f"edgekit golden {folder.folder} shows frames to take"
        raise InputError(f"{folder.folder}/recipe.toml has no golden frames", hint=hint)
    if seen.beyond:
        raise EngineError(
            f"{folder.folder}: the float model finds other things than the golden answers say in "
            f"{len(seen.beyond)} of {len(seen.frames)} frames: {seen.beyond[0].words}",
            hint=f"look at {pictures}; where it is right, edgekit golden {folder.folder} --write",
            details="\n".join(report.words for report in seen.beyond),
        )


def _write(folder: RecipeFolder, seen: Seen) -> None:
    """Write the answers, and frames and their section where the recipe named none. Raises InputError for nothing."""
    if seen.nothing:
        raise InputError(
            f"{seen.nothing}: such answers would also pass an engine that sees nothing", hint=_cure(folder, seen)
        )
    if seen.proposed:
        write_frames({report.frame: report.file.read_bytes() for report in seen.frames}, folder.folder / FOLDER)
    answers = {report.frame: report.found for report in seen.frames}
    write_new(folder.file(seen.golden.expected), answers_text(answers))
    if seen.proposed:
        add_section(folder.folder / "recipe.toml", seen.golden)


def _cure(folder: RecipeFolder, seen: Seen) -> str:
    following = [name for name in folder.recipe.pipeline.stages if name not in seen.passed]
    if not following:
        return "add a stage that makes detections of the model's outputs, or choose frames with something in them"
    return (
        f"choose frames with something in them; if stage {following[0]} makes detections and has no state, "
        "write stateless = True in its class"
    )


def _engine_error(target: str, differences: tuple[str, ...]) -> EngineError:
    return EngineError(
        f"the engines for {target} find other things than the float model: {differences[0]}",
        hint="add calibration pictures, or quantise less of the model: precision and quantisation in recipe.toml",
        details="\n".join(differences),
    )
