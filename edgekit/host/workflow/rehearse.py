"""Tries a release on this machine before it is signed: its code is made, and its golden frames pass."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgekit.errors import EngineError
from edgekit.host.catalogue.recipes import RecipeFolder, files_below
from edgekit.host.engine.engine import Engine
from edgekit.host.rehearsal import Packages, Rehearsal, run_rehearsal
from edgekit.host.release.plan import CARRIED
from edgekit.host.workflow.detections import hold_detections
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.detection import differences, read_expected, without
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.rehearsal import RehearsalReply
from edgekit.schema.units import counted


def rehearse(
    folder: RecipeFolder,
    plan: WorkerPlan,
    engines: tuple[Engine, ...],
    packages: Packages,
    station: Workstation,
) -> tuple[str, ...]:
    """Make every stage of the release, and run its golden frames.

    Returns:
        How it went, and what could not be tried here.

    Raises:
        InputError: the recipe's code would fail on the device too.
        EngineError: the golden frames show other things than they must.
    """
    wanted = rehearsal_of(folder, plan, engines, packages)
    with station.progress.step("trying the release's stages here"):
        reply = run_rehearsal(wanted, station.sandbox)
    notes = tuple(f"{_named(one.stage)} was not tried here: {one.reason}" for one in reply.untried)
    if plan.golden is not None:
        notes += (_judge(folder, reply),)
    return (*notes, *hold_detections(folder.recipe, wanted, engines, station))


def _runs_here(engine: Engine) -> bool:
    """Whether any CPU runs it, as one does that no builder device has made for its own kind."""
    return engine.entry.runner == "onnxruntime" and "device" not in engine.entry.facts


def release_files(folder: RecipeFolder) -> dict[str, Path]:
    """What a release carries of the recipe's own, by its path there."""
    files = {f"{CARRIED}/{path}": folder.file(path) for path in folder.carried}
    if folder.app is not None:
        files |= {f"app/{path}": folder.app / path for path in files_below(folder.app)}
    return files


def rehearsal_of(
    folder: RecipeFolder,
    plan: WorkerPlan,
    engines: tuple[Engine, ...],
    packages: Packages | None,
) -> Rehearsal:
    """A plan with its golden frames, and each engine where it lies: it runs here, or what it answered is recorded."""
    here = {
        engine.entry.name: dataclasses.replace(
            plan.engines[engine.entry.name],
            path=str(engine.file.absolute()),
            tail=str(engine.tail.absolute()) if engine.tail else "",
            cpus=(),
        )
        for engine in engines
    }
    golden = folder.recipe.golden
    return Rehearsal(
        plan=dataclasses.replace(plan, engines=here),
        files=release_files(folder),
        packages=packages,
        pictures=tuple(folder.file(frame) for frame in golden.frames) if golden else (),
        answers={engine.entry.name: engine.answers for engine in engines if engine.answers and not _runs_here(engine)},
    )


def _judge(folder: RecipeFolder, reply: RehearsalReply) -> str:
    golden = folder.recipe.golden
    assert golden is not None
    if reply.unjudged:
        return f"golden frames were not run here: {reply.unjudged}"
    file = folder.file(golden.expected)
    expected = read_expected(file.read_bytes(), str(file))
    untried = {one.stage for one in reply.untried}
    wrong = []
    for path, found in zip(golden.frames, reply.pictures, strict=True):
        name = path.rpartition("/")[2]
        wanted = [without(one, untried) for one in expected[name]]
        texts = differences(wanted, found, position_px=golden.position_px, score=golden.score)
        wrong += [f"{name}: {text}" for text in texts]
    passed = ", ".join(reply.passed) or "no stage"
    if wrong:
        raise EngineError(
            f"golden frames give other answers: {wrong[0]}" + (f" (and {len(wrong) - 1} more)" if wrong[1:] else ""),
            hint=f"edgekit golden {folder.folder} shows what the float model finds, and --write takes it; "
            "where only the engine is off, add calibration pictures or widen golden's tolerances",
            details="\n".join([*wrong, f"golden frames pass {passed}: what comes before the first stage with state"]),
        )
    frames = counted(len(golden.frames), "golden frame")
    return f"{frames} as expected, within {golden.position_px:g} px and {golden.score:g}: {passed}"


def _named(part: str) -> str:
    kind, _, name = part.rpartition(".")
    return f"{kind[:-1]} {name}" if kind in ("sinks", "sources") else f"stage {part}"
