"""Holds what a recipe's stages find with compiled engines against what they find with the float models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.errors import EngineError
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.verify.detections import DetectionAgreement, LeastScores, compare_found
from edgekit.host.rehearsal import Rehearsal, run_rehearsal
from edgekit.host.workflow.views import NO_DECODING, View, main_view, views_of_crops
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.plan import StagePlan
from edgekit.schema.recipe import Recipe
from edgekit.schema.rehearsal import RehearsalReply
from edgekit.schema.units import counted

_EVEN = 0.5
"""A class with so much of a classifier's scores has more than any other."""


def hold_detections(
    recipe: Recipe, rehearsal: Rehearsal, engines: tuple[Engine, ...], station: Workstation
) -> tuple[str, ...]:
    """Let the stages decode both, on every golden and calibration picture; a second model on those of its own.

    Args:
        recipe: for its tolerances.
        rehearsal: of the release.
        engines: of it; those that run the model itself have nothing to compare.
        station: this machine.

    Returns:
        How well they agree, and what could not be compared by what is found.

    Raises:
        EngineError: something that was found is lost or seen in another way, or the engine has it alone.
    """
    held = {engine.entry.name: engine for engine in engines if engine.answers and engine.expected}
    notes: list[str] = []
    for view in (main_view(rehearsal.plan, held), *views_of_crops(rehearsal.plan, held)):
        notes += _hold(view, recipe, rehearsal, station) if view is not None else ()
    return tuple(notes)


def _hold(view: View, recipe: Recipe, rehearsal: Rehearsal, station: Workstation) -> tuple[str, ...]:
    pictures = shared_pictures(tuple(view.engines.values()))
    who = f"of {', '.join(view.engines)}"
    if not pictures:
        return (f"what is found was not compared: the engines {who} were verified with no pictures in common",)
    if all(stage.kind in NO_DECODING for stage in view.plan.stages):
        return (f"the engines {who} were compared number by number alone: no stage makes detections of their answers",)
    wanted = dataclasses.replace(rehearsal, plan=view.plan, pictures=pictures)
    with station.progress.step(f"comparing what is found on {len(pictures)} pictures with the float model's"):
        found = _find(wanted, {name: one.answers for name, one in view.engines.items()}, station)
        expected = _find(wanted, {name: one.expected for name, one in view.engines.items()}, station)
    reason = found.unjudged or expected.unjudged
    if reason:
        return (f"what is found was not compared with the float model's: {reason}",)
    if not any(found.pictures) and not any(expected.pictures):
        nothing = f"nothing is found on {counted(len(pictures), 'picture')} with either model"
        return (f"{nothing}: what a user loses is not known; add calibration pictures with something in them",)
    names = [picture.name for picture in pictures]
    agreement = compare_found(names, expected.pictures, found.pictures, least_scores(recipe, view.plan.stages))
    if agreement.lost:
        raise _lost(agreement)
    return (f"{view.title}{agreement}", *_left_out(view.plan.stages, found))


def _lost(agreement: DetectionAgreement) -> EngineError:
    others = f", and so are {len(agreement.lost) - 1} more" if len(agreement.lost) > 1 else ""
    return EngineError(
        f"{agreement.lost[0]}{others}",
        hint='write precision = "float16" (on a CPU: cpu_precision = "float32"), add calibration pictures that '
        "show such a case, or allow more in tolerance.score",
        details="\n".join([str(agreement), *map(str, agreement.lost)]),
    )


def _left_out(stages: Sequence[StagePlan], found: RehearsalReply) -> tuple[str, ...]:
    """Names the stages whose results were not compared: those that remember earlier frames."""
    left = [stage.name for stage in stages if stage.name not in found.passed]
    return (
        (f"what later stages make of it was not compared, as it depends on earlier frames: {', '.join(left)}",)
        if left
        else ()
    )


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


def least_scores(recipe: Recipe, stages: Sequence[StagePlan]) -> LeastScores:
    """What a detection's score must exceed to count: the stages' thresholds, and what a score may be off."""
    off = max((model.tolerance.score for model in recipe.models.values()), default=0.0)
    usual, by_label = 0.0, dict[str, float]()
    for stage in stages:
        threshold = stage.options.get("threshold")
        if not isinstance(threshold, (int, float)):
            continue
        least = max(float(threshold), _EVEN) if stage.kind == "classify" else float(threshold)
        usual = max(usual, least)
        own = stage.options.get("thresholds") or {}
        for label in stage.options.get("labels") or ():
            by_label[label] = max(by_label.get(label, 0.0), float(own.get(label, least)))
    return LeastScores(usual=usual + off, by_label={label: least + off for label, least in by_label.items()})


def _find(rehearsal: Rehearsal, answers: Mapping[str, Path | None], station: Workstation) -> RehearsalReply:
    """Detections of each picture, with recorded answers."""
    recorded = {name: file for name, file in answers.items() if file is not None}
    return run_rehearsal(dataclasses.replace(rehearsal, answers=recorded), station.sandbox)
