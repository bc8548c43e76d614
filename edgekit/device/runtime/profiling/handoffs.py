"""How long a lane's sleeping thread takes to begin with a frame: from the end of the step before it.

That is the scheduler's and the interpreter's, and what the thread that hands the frame on does first. What the taker
waits for a CPU meanwhile is not in it, nor what a frame waits behind others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from edgekit.device.runtime.graph import plan_graph
from edgekit.device.runtime.profiling.played import Played
from edgekit.device.runtime.profiling.samples import LEAST_CALLS, Sample, SampledFigures, spread_of
from edgekit.schema.profile import DECODE, Handoffs, Spread


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
    graph, calls = plan_graph(played.plan), _calls(played)
    found: dict[str, Spread] = {}
    for node in graph.lanes:
        last = {one.name: one.steps[-1] for one in graph.lanes if node.name in one.following} or {DECODE: DECODE}
        given = ((step == last[giver], one) for giver in last for step, one in chain(*calls.get(giver, ())))
        ended_s = sorted(one.began_s + one.wall_s for is_last, one in given if is_last)
        some = [one for thread in calls.get(node.name, ()) for one in seen(ended_s, thread, node.steps[0])]
        if len(kept := sorted(one.took_s for one in some if wanted(one))) >= LEAST_CALLS:
            found[node.name] = spread_of(kept)
    return found


def _calls(played: Played) -> dict[str, list[list[tuple[str, Sample]]]]:
    """What each thread of a lane, or each decoder, did, in order."""
    found: dict[str, list[list[tuple[str, Sample]]]] = {}
    for worker in played.pipeline.workers:
        assert isinstance(worker.figures, SampledFigures)
        some = ((step, one) for step, calls in worker.figures.samples.items() for one in calls)
        found.setdefault(played.lane_of(worker), []).append(sorted(some, key=lambda call: call[1].began_s))
    return found
