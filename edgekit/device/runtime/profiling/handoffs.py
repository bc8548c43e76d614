"""How long a lane's sleeping thread takes to begin with a frame: from the end of the step before it.

That is the scheduler's and the interpreter's, and what the thread that hands the frame on does first. What the taker
waits for a CPU meanwhile is not in it, nor what a frame waits behind others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from edgekit.device.runtime.graph import LaneNode, plan_graph
from edgekit.device.runtime.profiling.played import Played
from edgekit.device.runtime.profiling.samples import Sample, SampledFigures
from edgekit.device.runtime.streams import quantile
from edgekit.schema.profile import DECODE, SHARES, Handoffs, Spread

_LEAST = 8
"""Fewer tell nothing."""


class Handoff(NamedTuple):
    """One that was seen."""

    took_s: float
    met: bool
    """Whether a third thread was inside a call when the taker began."""


def handoffs(played: Played, several: Played) -> Handoffs:
    """Those of a plan that was played with one stream, and of those that met others with several."""
    return Handoffs(
        alone_ms=_spreads(played, lambda _: True),
        met_ms=_spreads(several, lambda one: one.met),
    )


def seen(ended_s: Sequence[float], calls: Sequence[tuple[str, Sample]], first: str) -> list[Handoff]:
    """Those to one thread.

    Args:
        ended_s: when steps ended that a frame comes from; ascending.
        calls: what the thread did, in order.
        first: its first step with a frame.
    """
    found: list[Handoff] = []
    for (_, before), (step, call) in pairwise(calls):
        place = bisect_right(ended_s, call.began_s) - 1
        if step == first and place >= 0 and ended_s[place] >= before.began_s + before.wall_s:  # it slept
            found.append(Handoff(max(0.0, call.began_s - ended_s[place] - call.before_s), call.beside))
    return found


def _spreads(played: Played, wanted: Callable[[Handoff], bool]) -> dict[str, Spread]:
    graph = plan_graph(played.plan)
    calls = _calls(played)
    found: dict[str, Spread] = {}
    for node in graph.lanes:
        givers = (
            [DECODE] if node.name in graph.entry else [one.name for one in graph.lanes if node.name in one.following]
        )
        last = {DECODE} | {_steps(one)[-1] for one in graph.lanes if node.name in one.following}
        ended_s = sorted(
            one.began_s + one.wall_s
            for giver in givers
            for step, one in chain.from_iterable(calls.get(giver, ()))
            if step in last
        )
        some = [one for thread in calls.get(node.name, ()) for one in seen(ended_s, thread, _steps(node)[0])]
        if len(kept := sorted(one.took_s for one in some if wanted(one))) >= _LEAST:
            found[node.name] = tuple(round(quantile(kept, share) * 1000, 4) for share in SHARES)
    return found


def _calls(played: Played) -> dict[str, list[list[tuple[str, Sample]]]]:
    """What each thread of a lane, or each decoder, did, in order."""
    found: dict[str, list[list[tuple[str, Sample]]]] = {}
    for worker in played.pipeline.workers:
        assert isinstance(worker.figures, SampledFigures)
        some = ((step, one) for step, calls in worker.figures.samples.items() for one in calls)
        found.setdefault(played.lane_of(worker), []).append(sorted(some, key=lambda call: call[1].began_s))
    return found


def _steps(node: LaneNode) -> Sequence[str]:
    return (*node.stages, *node.sinks)
