"""How busy an application keeps a board's accelerators, from what its profile measured. Pure."""

from __future__ import annotations

import dataclasses

from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import Profile, SizeProfile
from edgekit.schema.source import ImagesSource, PythonSource, RecipeSource, SyntheticSource, V4l2Source


def busy_percent(plan: WorkerPlan, profile: Profile, pictures_a_second: float) -> dict[str, float]:
    """Of each accelerator's time, what an application takes: its stages' waits for it, by all pictures of a second.

    Of an NPU each of a model's cores takes an equal part. A model for a DLA core counts there with what the GPU does of
    it. Of pictures of several sizes the dearest count. An accelerator of a stage that was not measured is left out.

    Args:
        plan: which stages run which engines, and where those compute.
        profile: what a picture costs in each stage.
        pictures_a_second: of all streams together.
    """
    found: dict[str, float] = {}
    unknown = set()
    for stage in plan.stages:
        engine = plan.engines.get(stage.engine)
        if engine is None or not engine.accelerators or stage.kind == "preprocess":
            continue
        wait_ms = max((_wait_ms(size, stage.name) for size in profile.sizes), default=0.0)
        for name in engine.accelerators:
            if wait_ms == 0:
                unknown.add(name)
            part = wait_ms / 1000 * pictures_a_second / len(engine.accelerators)
            found[name] = found.get(name, 0.0) + 100 * part
    return {name: round(percent, 1) for name, percent in sorted(found.items()) if name not in unknown}


def with_busy_percent(plan: WorkerPlan, profile: Profile) -> WorkerPlan:
    """A plan that states what its sources' pictures keep accelerators busy; others come as fast as when measured."""
    usual_fps = max(size.fps for size in profile.sizes)
    busy = busy_percent(plan, profile, pictures_a_second(plan, usual_fps))
    return dataclasses.replace(plan, busy_percent=busy)


def pictures_a_second(plan: WorkerPlan, usual_fps: float, cameras: int = 0) -> float:
    """What all streams bring together.

    Args:
        plan: names the sources.
        usual_fps: of one that does not say how many it gives.
        cameras: how many; further ones are like the last. 0: as many as the plan has.
    """
    rates = [_rate(source, usual_fps) for source in plan.sources.values()]
    if cameras and rates:
        rates = rates[:cameras] + rates[-1:] * (cameras - len(rates))
    return sum(rates)


def _wait_ms(size: SizeProfile, stage: str) -> float:
    return size.costs[stage].wait_ms if stage in size.costs else 0.0


def _rate(source: RecipeSource, usual_fps: float) -> float:
    match source:
        case ImagesSource() | SyntheticSource() | V4l2Source() | PythonSource():
            fps = source.fps
        case _:
            fps = usual_fps
    return min(fps, source.max_fps or fps)
