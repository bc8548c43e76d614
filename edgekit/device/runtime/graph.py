"""The lanes of a plan as a graph: sources fan in, stages follow in order, sinks fan out. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from edgekit.errors import InputError
from edgekit.schema.plan import WorkerPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneNode:
    """One lane that runs something, and what follows it."""

    name: str
    stages: tuple[str, ...] = ()
    """In order."""
    sinks: tuple[str, ...] = ()
    """After the stages."""
    following: tuple[str, ...] = ()
    """Lanes that get everything that leaves this one."""

    @property
    def steps(self) -> tuple[str, ...]:
        """All that it does with a frame, in order."""
        return (*self.stages, *self.sinks)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneGraph:
    """Where entries go."""

    entry: tuple[str, ...]
    """Lanes that every source leads to."""
    lanes: tuple[LaneNode, ...]
    """In the order in which a frame passes them."""


def plan_graph(plan: WorkerPlan) -> LaneGraph:
    """Put the lanes together: stages one after the other, each lane of sinks beside the others.

    Raises:
        InputError: a frame would come to a lane a second time; `edgekit build` refuses such a recipe.
    """
    order: list[str] = []
    stages: dict[str, list[str]] = {}
    for stage in plan.stages:
        if not order or order[-1] != stage.lane:
            if stage.lane in order:
                raise InputError(f"lane {stage.lane} is left and used again", hint="order the stages by lane")
            order.append(stage.lane)
        stages.setdefault(stage.lane, []).append(stage.name)
    sinks: dict[str, list[str]] = {}
    for name, sink in plan.sinks.items():
        if sink.lane in order[:-1]:
            raise InputError(f"lane {sink.lane} is left and used again", hint=f"give sink {name} another lane")
        sinks.setdefault(sink.lane, []).append(name)
    beside = tuple(lane for lane in sinks if lane not in order)
    following: dict[str, tuple[str, ...]] = {lane: (after,) for lane, after in pairwise(order)}
    if order:
        following[order[-1]] = beside
    lanes = (*order, *beside)
    return LaneGraph(
        entry=(order[0],) if order else beside,
        lanes=tuple(
            LaneNode(
                name=lane,
                stages=tuple(stages.get(lane, ())),
                sinks=tuple(sinks.get(lane, ())),
                following=following.get(lane, ()),
            )
            for lane in lanes
        ),
    )
