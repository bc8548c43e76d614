"""Runs a recipe's golden frames through its float model and its own stages."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.session import local

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.catalogue.recipes import RecipeFolder
    from edgekit.host.engine.engine import Engine
    from edgekit.host.golden.report import FrameReport
    from edgekit.host.rehearsal import Packages, Rehearsal
    from edgekit.host.settings import Settings
    from edgekit.schema.detection import Detection
    from edgekit.schema.plan import WorkerPlan
    from edgekit.schema.recipe import Golden
    from edgekit.schema.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the float model finds."""

    golden: Golden
    """The recipe's, or a proposal with its clip's frames."""
    proposed: bool
    frames: tuple[FrameReport, ...]
    passed: tuple[str, ...]
    """Stages that the frames passed."""
    packages: Packages | None
    """This machine's Python packages for the recipe's own code."""
    dropped: tuple[str, ...]
    """Frames that have golden answers, and are none of the recipe's golden frames."""

    @property
    def beyond(self) -> tuple[FrameReport, ...]:
        """Frames whose answers left the recipe's tolerances."""
        return tuple(report for report in self.frames if not report.within)


@contextlib.contextmanager
def look(folder: RecipeFolder, numbers: tuple[int, ...], settings: Settings, out: Output) -> Iterator[Seen]:
    """Find what is in the golden frames, or in frames of the clip where the recipe has none.

    Args:
        folder: the recipe.
        numbers: frames of the clip, where they are chosen by hand.
        settings: the user's.
        out: the command's output.

    Yields:
        What was found. Frames that were taken from the clip are gone afterwards.

    Raises:
        InputError: the recipe's code fails, or cannot be run on this machine.
        EngineError: a model cannot be run.
    """
    import tempfile

    from edgekit.errors import InputError
    from edgekit.host.golden.report import compare_frames
    from edgekit.host.golden.writing import EXPECTED, FOLDER
    from edgekit.host.rehearsal import run_rehearsal
    from edgekit.schema.recipe import Golden

    with tempfile.TemporaryDirectory(prefix="edgekit-golden-") as scratch:
        wanted = _rehearsal(folder, numbers, Path(scratch), settings, out)
        with out.step("running the float model and the recipe's stages"):
            reply = run_rehearsal(wanted, local())
        if reply.unjudged:
            raise InputError(
                f"golden answers cannot be made on this machine: {reply.unjudged}",
                hint="let stages without state do without what only a board has, or give that one stateless = False",
            )
        files = tuple(map(Path, reply.grabbed)) or wanted.pictures
        named = tuple(f"{FOLDER}/{file.name}" for file in files)
        golden = folder.recipe.golden or Golden(frames=named, expected=EXPECTED)
        before = _answers(folder, out) if folder.recipe.golden else {}
        yield Seen(
            golden=golden,
            proposed=folder.recipe.golden is None,
            frames=compare_frames(files, reply.pictures, before, golden),
            passed=reply.passed,
            packages=wanted.packages,
            dropped=tuple(sorted(before.keys() - {file.name for file in files})),
        )


def _rehearsal(
    folder: RecipeFolder, numbers: tuple[int, ...], scratch: Path, settings: Settings, out: Output
) -> Rehearsal:
    from edgekit.cli.rehearsal import float_engines, rehearsal_of, stand_in
    from edgekit.host.catalogue.targets import find_target
    from edgekit.schema.rehearsal import Grab

    engines = float_engines(folder, settings, out)
    plan = _plan(folder, find_target("host", settings), ())
    packages = _packages(folder, engines, settings, out)
    wanted = rehearsal_of(folder, plan, (), stand_in(folder, engines), packages)
    if folder.recipe.golden is not None:
        return wanted
    return dataclasses.replace(wanted, grab=Grab(folder=str(scratch), frames=numbers))


def _plan(folder: RecipeFolder, target: Target, engines: tuple[Engine, ...]) -> WorkerPlan:
    from edgekit.host.release.plan import plan_worker
    from edgekit.schema.units import Bytes

    # A board's limits: this machine need not have what it has.
    limits = dataclasses.replace(folder.recipe.limits, memory_max=Bytes(1), memory_high=None, cpus=1, limits="advisory")
    recipe = dataclasses.replace(folder.recipe, limits=limits)
    return plan_worker(recipe, target, [engine.entry for engine in engines], has_app=folder.app is not None)


def engine_differences(folder: RecipeFolder, seen: Seen, target: Target, settings: Settings, out: Output) -> list[str]:
    """How a target's engines differ from the float model in the golden frames, in words.

    Raises:
        InputError: nobody but a board can say what they find.
        EngineError: an engine cannot be made, or is refused before.
    """
    from edgekit.cli.engine_kit import engine_bench
    from edgekit.cli.rehearsal import needs_float, rehearsal_of
    from edgekit.errors import InputError
    from edgekit.host.engine.compile import compile_models
    from edgekit.host.rehearsal import run_rehearsal
    from edgekit.schema.detection import differences

    engines = compile_models(folder.recipe, folder.folder, target, engine_bench(settings, out))
    wanted = rehearsal_of(
        folder, _plan(folder, target, engines), engines, {}, _packages(folder, engines, settings, out)
    )
    unknown = [engine.entry.name for engine in engines if needs_float(engine)]
    with out.step(f"running the engines for {target.name}"):
        reply = run_rehearsal(wanted, local()) if not unknown else None
    if reply is None or reply.unjudged:
        reason = reply.unjudged if reply else f"no answers of engine {unknown[0]} are recorded"
        raise InputError(f"what {target.name} finds is not known here: {reason}", hint="leave --target out")
    golden = seen.golden
    return [
        f"{report.frame} on {target.name}: {text}"
        for report, found in zip(seen.frames, reply.pictures, strict=True)
        for text in differences(report.found, found, position_px=golden.position_px, score=golden.score)
    ]


def _packages(folder: RecipeFolder, engines: tuple[Engine, ...], settings: Settings, out: Output) -> Packages | None:
    """The recipe's Python packages for this machine, where its own code may need some."""
    from edgekit.cli.build import lay_out_site
    from edgekit.host.catalogue.targets import find_target

    if folder.app is None or not folder.recipe.python.requirements:
        return None
    target = find_target("host", settings)
    return lay_out_site(settings, folder, target, engines, out, update_lock=False).packages(target)


def _answers(folder: RecipeFolder, out: Output) -> Mapping[str, tuple[Detection, ...]]:
    """The golden answers that are there; none where the file is to be written, or written anew."""
    from edgekit.errors import InputError
    from edgekit.schema.detection import read_expected

    assert folder.recipe.golden is not None
    file = folder.file(folder.recipe.golden.expected)
    try:
        return read_expected(file.read_bytes(), str(file)) if file.exists() else {}
    except InputError as error:
        out.note(f"the golden answers cannot be read, so every answer is new: {error.message}")
        return {}
