"""What the scheduler shall take work to cost before it has seen any: out of a profile of the same engines. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.errors import InputError
from edgekit.schema.plan import PictureCosts, WorkerPlan
from edgekit.schema.profile import Profile, SizeProfile


def planned_costs(plan: WorkerPlan, engines: Mapping[str, str], profile: Profile) -> tuple[PictureCosts, ...]:
    """What each lane costs, by size of picture. Pictures of other sizes are the scheduler's to measure.

    Args:
        plan: the release's.
        engines: digests of its engines' files, by model.
        profile: of this application on such a board.

    Raises:
        InputError: other engines or stages were measured.
    """
    if reason := _stale(plan, engines, profile):
        raise InputError(
            f"the profile of {profile.version}, measured {profile.measured}, is stale: {reason}",
            hint="build without --profile, and measure that release: edgekit profile DEVICE RELEASE --out FILE",
        )
    return tuple(
        PictureCosts(width_px=size.width_px, height_px=size.height_px, lanes_ms=_lanes_ms(plan, size))
        for size in profile.sizes
    )


def _stale(plan: WorkerPlan, engines: Mapping[str, str], profile: Profile) -> str:
    for name, digest in engines.items():
        if name not in profile.engines:
            return f"it knows nothing of model {name}"
        if profile.engines[name].sha256 != digest:
            return f"model {name} had another engine then"
    for size in profile.sizes:
        for stage in plan.stages:
            if stage.name not in size.costs:
                return f"it knows nothing of stage {stage.name} with {size.width_px}x{size.height_px} pictures"
    return ""


def _lanes_ms(plan: WorkerPlan, size: SizeProfile) -> dict[str, float]:
    """A sink that got nothing while it was measured costs nothing."""
    lanes_ms: dict[str, float] = {}
    steps = [(stage.name, stage.lane) for stage in plan.stages]
    for name, lane in (*steps, *((name, sink.lane) for name, sink in plan.sinks.items())):
        if cost := size.costs.get(name):
            lanes_ms[lane] = round(lanes_ms.get(lane, 0.0) + cost.p95_ms, 4)
    return lanes_ms
