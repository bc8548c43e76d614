"""Parts of a pipeline that are tried by themselves, with answers that engines gave elsewhere. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edgekit.host.engine.engine import Engine
from edgekit.schema.plan import StagePlan, WorkerPlan

NO_DECODING = ("preprocess", "infer")
_OF_A_PICTURE = {"class": "classify", "text": "read"}
"""What `crops` says of a crop, as the stage that says it of a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Some stages of a plan, and the engines that they see through."""

    title: str
    """Before what is said of it; empty for the pipeline as it is."""
    plan: WorkerPlan
    engines: Mapping[str, Engine]
    """With recorded answers."""


def main_view(plan: WorkerPlan, held: Mapping[str, Engine]) -> View | None:
    """The pipeline as it is, without stages whose engine was tried on other pictures: crops have none of their own.

    Args:
        plan: of the release.
        held: engines with recorded answers, by name.

    Returns:
        None where no engine with recorded answers is in it.
    """
    stages = tuple(stage for stage in plan.stages if not (stage.kind == "crops" and stage.engine in held))
    part = _part(plan, stages)
    engines = {name: held[name] for name in held if name in part.engines}
    return View(title="", plan=part, engines=engines) if engines else None


def views_of_crops(plan: WorkerPlan, held: Mapping[str, Engine]) -> Iterator[View]:
    """For each stage that looks at crops: its model on the pictures that it was calibrated with, which are crops."""
    for stage in plan.stages:
        if stage.kind == "crops" and stage.engine in held:
            stages = (
                _stage(stage, "preprocess", {}),
                _stage(stage, "infer", {}),
                _stage(stage, _OF_A_PICTURE[stage.options["reads"]], _options(stage)),
            )
            yield View(
                title=f"stage {stage.name}: ",
                plan=_part(plan, stages),
                engines={stage.engine: held[stage.engine]},
            )


def _part(plan: WorkerPlan, stages: tuple[StagePlan, ...]) -> WorkerPlan:
    """A plan of some stages, and of the engines that they name."""
    named = {stage.engine for stage in stages}
    engines = {name: engine for name, engine in plan.engines.items() if name in named}
    return dataclasses.replace(plan, stages=stages, engines=engines)


def _stage(stage: StagePlan, kind: str, options: dict[str, object]) -> StagePlan:
    return dataclasses.replace(stage, name=f"{stage.name}-{kind}", kind=kind, options=options)


def _options(stage: StagePlan) -> dict[str, object]:
    shared = ("labels", "output", "activation", "threshold", *(("blank",) if stage.options["reads"] == "text" else ()))
    return {name: stage.options[name] for name in shared}
