"""Holds what a recipe's stages find with compiled engines against what they find with the float models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.errors import EngineError
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.verify.detections import compare_found
from edgekit.host.rehearsal import Rehearsal, run_rehearsal
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.detection import Detection
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.recipe import Recipe

_NO_DECODING = ("preprocess", "infer")


def hold_detections(
    recipe: Recipe, rehearsal: Rehearsal, engines: tuple[Engine, ...], station: Workstation
) -> tuple[str, ...]:
    """Let the stages decode both, on every golden and calibration picture.

    Args:
        recipe: for its tolerances.
        rehearsal: of the release.
        engines: of it; those that run the model itself have nothing to compare.
        station: this machine.

    Returns:
        How well they agree; nothing where no stage makes detections of an engine's answers.

    Raises:
        EngineError: a detection is lost, or the engine has one that the float model has not.
    """
    held = {engine.entry.name: engine for engine in engines if engine.answers and engine.expected}
    pictures = shared_pictures(tuple(held.values()))
    if not pictures or all(stage.kind in _NO_DECODING for stage in rehearsal.plan.stages):
        return ()
    with station.progress.step(f"comparing what is found on {len(pictures)} pictures with the float model's"):
        answers = {name: engine.answers for name, engine in held.items() if engine.answers}
        expected_answers = {name: engine.expected for name, engine in held.items() if engine.expected}
        found = _find(rehearsal, pictures, answers, station)
        expected = _find(rehearsal, pictures, expected_answers, station) if found is not None else None
    if found is None or expected is None or not (any(found) or any(expected)):
        return ()
    names = [picture.name for picture in pictures]
    agreement = compare_found(names, expected, found, least_score(recipe, rehearsal.plan))
    if agreement.lost:
        others = f", and so are {len(agreement.lost) - 1} more" if len(agreement.lost) > 1 else ""
        raise EngineError(
            f"{agreement.lost[0]}{others}",
            hint='write precision = "float16" (on a CPU: cpu_precision = "float32"), add calibration pictures that '
            "show such a case, or allow more in tolerance.score",
            details="\n".join([str(agreement), *map(str, agreement.lost)]),
        )
    return (str(agreement),)


def shared_pictures(engines: Sequence[Engine]) -> tuple[Path, ...]:
    """Pictures that every engine was verified with, in the order of its recorded answers."""
    if not engines:
        return ()
    shared = []
    for row in zip(*(engine.pictures for engine in engines), strict=False):
        if len(set(row)) > 1:
            break
        shared.append(row[0])
    return tuple(shared)


def least_score(recipe: Recipe, plan: WorkerPlan) -> float:
    """What a detection's score must exceed to count: the stages' threshold, and what a score may be off."""
    thresholds = [stage.options["threshold"] for stage in plan.stages if "threshold" in stage.options]
    highest = max((float(one) for one in thresholds if isinstance(one, (int, float))), default=0.0)
    return highest + max((model.tolerance.score for model in recipe.models.values()), default=0.0)


def _find(
    rehearsal: Rehearsal, pictures: tuple[Path, ...], answers: Mapping[str, Path], station: Workstation
) -> tuple[tuple[Detection, ...], ...] | None:
    """Detections of each picture; None where a stage cannot be tried on this machine."""
    reply = run_rehearsal(dataclasses.replace(rehearsal, pictures=pictures, answers=dict(answers)), station.sandbox)
    return None if reply.unjudged else reply.pictures
