"""Runs a recipe's golden frames through its float model and its own stages; finds some for a recipe that names none."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.recipes import RecipeFolder
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.engine import Engine
from edgekit.host.golden.report import FrameReport, compare_frames
from edgekit.host.golden.writing import EXPECTED, FOLDER
from edgekit.host.rehearsal import Packages, Rehearsal, run_rehearsal
from edgekit.host.release.plan import plan_worker
from edgekit.host.workflow.engines import float_engines, make_engines
from edgekit.host.workflow.heads import settle_heads
from edgekit.host.workflow.rehearse import rehearsal_of
from edgekit.host.workflow.site import importable, lay_out_site
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.detection import Detection, differences, read_expected
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.recipe import TENSORS_SUFFIX, Golden
from edgekit.schema.rehearsal import Grab
from edgekit.schema.source import GstreamerSource, RtspSource, V4l2Source
from edgekit.schema.target import Target
from edgekit.schema.units import Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the float model finds."""

    golden: Golden
    """The recipe's, or a proposal with its clip's frames."""
    proposed: bool
    frames: tuple[FrameReport, ...]
    passed: tuple[str, ...]
    """Stages that the frames passed."""
    dropped: tuple[str, ...]
    """Frames that have golden answers, and are none of the recipe's golden frames."""
    packages: Packages | None
    """Those that the recipe's own code was run with."""

    @property
    def beyond(self) -> tuple[FrameReport, ...]:
        """Frames whose answers left the recipe's tolerances."""
        return tuple(report for report in self.frames if not report.within)

    @property
    def nothing(self) -> str:
        """What is wrong with frames that nothing at all is found in; empty where something is."""
        if any(report.found for report in self.frames):
            return ""
        return f"nothing is found in any of {len(self.frames)} frames by {', '.join(self.passed) or 'no stage'}"


def look(folder: RecipeFolder, numbers: tuple[int, ...], scratch: Path, station: Workstation) -> Seen:
    """Find what is in the golden frames; where a recipe names none, in pictures of its folder `golden` or its clip.

    Args:
        folder: the recipe.
        numbers: frames of the clip, where they are chosen by hand.
        scratch: folder for frames that are taken from the clip.
        station: this machine.

    Raises:
        InputError: the recipe's code fails, or cannot be run on this machine.
        EngineError: a model cannot be run.
    """
    proposed = folder.recipe.golden is None
    if proposed and not numbers:
        folder = _with_own_pictures(folder)
    wanted = float_rehearsal(folder, station)
    if folder.recipe.golden is None:
        wanted = dataclasses.replace(wanted, grab=Grab(folder=str(scratch), frames=numbers))
    with station.progress.step("running the float model and the recipe's stages"):
        reply = run_rehearsal(wanted, station.sandbox)
    if reply.unjudged:
        raise InputError(
            f"golden answers cannot be made on this machine: {reply.unjudged}",
            hint="let stages without state do without what only a board has, or give that one stateless = False",
        )
    files = tuple(map(Path, reply.grabbed)) or wanted.pictures
    named = tuple(f"{FOLDER}/{file.name}" for file in files)
    golden = folder.recipe.golden or Golden(frames=named, expected=EXPECTED)
    before = _answers(folder, station) if folder.recipe.golden else {}
    return Seen(
        golden=golden,
        proposed=proposed,
        frames=compare_frames(files, reply.pictures, before, golden),
        passed=reply.passed,
        dropped=tuple(sorted(before.keys() - {file.name for file in files})),
        packages=wanted.packages,
    )


def _with_own_pictures(folder: RecipeFolder) -> RecipeFolder:
    """The recipe with what lies in its folder `golden` as golden frames; as it is where it has a clip instead.

    Raises:
        InputError: it has neither.
    """
    there = folder.folder / FOLDER
    files = [*there.glob("*.png"), *there.glob(f"*{TENSORS_SUFFIX}")]
    frames = tuple(sorted(f"{FOLDER}/{file.name}" for file in files if is_safe_path(file.name)))
    if frames:
        golden = Golden(frames=frames, expected=EXPECTED)
        return dataclasses.replace(folder, recipe=dataclasses.replace(folder.recipe, golden=golden))
    name, source = next(iter(folder.recipe.pipeline.sources.items()))
    if isinstance(source, RtspSource | V4l2Source | GstreamerSource):
        raise InputError(
            f"{folder.folder} has no golden frames, and its source {name} is a camera: nothing is taken from it here",
            hint=f"put some pictures of the camera into {there}, as PNG files, and run this again",
        )
    return folder


def float_rehearsal(folder: RecipeFolder, station: Workstation) -> Rehearsal:
    """The recipe's stages with its float models, on this machine; its golden frames are the pictures."""
    host = find_target("host", station.settings)
    engines = float_engines(folder, host, station)
    return rehearsal_of(folder, _plan(folder, host, engines), engines, _packages(folder, host, station))


def _plan(folder: RecipeFolder, target: Target, engines: tuple[Engine, ...]) -> WorkerPlan:
    # A board's limits: this machine need not have what it has.
    limits = dataclasses.replace(folder.recipe.limits, memory_max=Bytes(1), memory_high=None, cpus=1, limits="advisory")
    models = {engine.entry.name: engine.model for engine in engines if engine.model is not None}
    recipe = dataclasses.replace(settle_heads(folder, models).folder.recipe, limits=limits)
    entries = [engine.entry for engine in engines]
    return plan_worker(recipe, target, entries, has_app=folder.app is not None, places=folder.places)


def engine_differences(folder: RecipeFolder, seen: Seen, target: Target, station: Workstation) -> tuple[str, ...]:
    """How a target's engines differ from the float model in the golden frames, in words.

    Raises:
        InputError: nobody but a board can say what they find.
        EngineError: an engine cannot be made, or is refused before.
    """
    engines = make_engines(folder, target, station)
    wanted = rehearsal_of(folder, _plan(folder, target, engines), engines, seen.packages)
    with station.progress.step(f"running the engines for {target.name}"):
        reply = run_rehearsal(wanted, station.sandbox)
    if reply.unjudged:
        raise InputError(f"what {target.name} finds is not known here: {reply.unjudged}", hint="leave --target out")
    golden = seen.golden
    return tuple(
        f"{report.frame} on {target.name}: {text}"
        for report, found in zip(seen.frames, reply.pictures, strict=True)
        for text in differences(report.found, found, position_px=golden.position_px, score=golden.score)
    )


def _packages(folder: RecipeFolder, host: Target, station: Workstation) -> Packages | None:
    """The recipe's Python packages for `host`, this machine, where its own code may need some."""
    if folder.app is None or not folder.recipe.python.requirements:
        return None
    return importable(lay_out_site(folder, host, station), host)


def _answers(folder: RecipeFolder, station: Workstation) -> Mapping[str, tuple[Detection, ...]]:
    """The golden answers that are there; none where the file is to be written, or written anew."""
    assert folder.recipe.golden is not None
    file = folder.file(folder.recipe.golden.expected)
    try:
        return read_expected(file.read_bytes(), str(file)) if file.exists() else {}
    except InputError as error:
        station.progress.note(f"the golden answers cannot be read, so every answer is new: {error.message}")
        return {}
