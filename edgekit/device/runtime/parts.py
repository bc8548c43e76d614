"""What the stages of one pipeline share, and how they are made of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.device.runner import Runner, load
from edgekit.device.runtime.stages import Stage, StageContext, find_class
from edgekit.imaging.image import FrameSpec, RgbSpec
from edgekit.schema.plan import StagePlan, WorkerPlan
from edgekit.schema.reader import from_raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the stages of one pipeline share."""

    plan: WorkerPlan
    release: Path
    runners: dict[str, Runner]


def load_runners(plan: WorkerPlan, release: Path, cache: Path | None = None) -> dict[str, Runner]:
    """Load every engine; `cache` keeps what makes the next start faster. Raises InputError where one cannot be."""
    return {name: load(engine, release, cache=cache) for name, engine in plan.engines.items()}


def make_stage(stage: StagePlan, parts: Parts, frames: FrameSpec | RgbSpec, fps: float) -> Stage:
    """A stage of the plan for frames of this kind.

    Raises:
        InputError: its options are wrong, or its class cannot be made.
    """
    cls = find_class(stage.kind, stage.entry)
    engines = parts.plan.engines
    engine = stage.engine or (next(iter(engines)) if len(engines) == 1 else "")
    context = StageContext(
        name=stage.name,
        options=_options(cls, stage),
        frames=frames,
        fps=fps,
        release=parts.release,
        runner=parts.runners[stage.engine] if stage.engine and stage.kind != "preprocess" else None,
        contract=engines[engine].input if engine else None,
    )
    made: Stage = cls(context)
    return made


def _options(cls: Any, stage: StagePlan) -> Any:
    options = getattr(cls, "Options", None)
    if options is None:
        return stage.options
    return from_raw(options, stage.options, "recipe.toml", key=f"pipeline.stages.{stage.name}.options")
