"""What a frame costs in a forecast: drawn from what a profile has measured. Pure."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from edgekit.schema.profile import SHARES, Cost, SizeProfile

_UNDER_WAY = 2
"""Frames of a measured run that were between two steps when it ended."""


class Extra(NamedTuple):
    """What a step takes beyond what it takes alone, in seconds."""

    cpu_s: float = 0.0
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork:
    """What a step does with one frame."""

    name: str
    cpu_s: float
    wait_s: float = 0.0
    """On an accelerator, after it."""
    pause_s: float = 0.0
    """What the thread sleeps before it computes: for the interpreter's lock, a device, a file."""
    more: Extra = Extra()
    """What is added where another thread is inside a step meanwhile."""
    is_sink: bool = False


def draw_s(spread_ms: Sequence[float], share: float) -> float:
    """The time that this share of all frames do not exceed, in seconds."""
    place = min(bisect_right(SHARES, share), len(SHARES) - 1)
    low, high = SHARES[place - 1], SHARES[place]
    first, second = spread_ms[place - 1], spread_ms[place]
    return (first + (second - first) * (share - low) / (high - low)) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameWork:
    """What a lane does with one frame."""

    works: tuple[StepWork, ...]
    goes_on: bool
    """Whether the lanes that follow get it; else a stage has ended its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSteps:
    """Names of what a lane does with each frame."""

    name: str
    """The lane's."""
    stages: Sequence[str]
    """In order."""
    sinks: Sequence[str] = ()
    """After them."""
    following: Sequence[str] = ()
    """The first steps of the lanes that follow."""


class StepCosts:
    """The steps of one lane."""

    def __init__(self, lane: LaneSteps, size: SizeProfile, draw: random.Random) -> None:
        """Know what each costs.

        Args:
            lane: the steps; those that the profile does not know cost nothing.
            size: what the profile knows of such pictures.
            draw: gives random numbers.
        """
        costs = size.costs
        self._known = [(name, costs[name], name in lane.sinks) for name in (*lane.stages, *lane.sinks) if name in costs]
        self.overhead_s, self._draw = size.overheads_ms.get(lane.name, 0.0) / 1000, draw
        """What the thread does with each frame beside them: it keeps the next one waiting. What of it the frame itself
        waits for is in the hand-off."""
        self._met = size.met
        self._alone_ms = size.handoffs.alone_ms.get(lane.name)
        self._met_ms = size.handoffs.met_ms.get(lane.name, self._alone_ms)
        counts = [cost.count for _, cost, _ in self._known]
        self._come = counts[0] if counts else 1
        """Frames that came to this lane while it was measured."""
        after = [costs[name].count for name in lane.following if name in costs]
        self._left = max(after) if after else self._come
        self._most = max((cost.count for cost in costs.values()), default=1)

    def of_frame(self) -> FrameWork:
        """What one frame takes; fewer steps where a stage lets only some go on."""
        luck = self._draw.random() * self._come
        works: list[StepWork] = []
        for name, cost, is_sink in self._known:
            if luck > cost.count + _UNDER_WAY:
                return FrameWork(works=tuple(works), goes_on=False)
            works.append(self._work(name, cost, is_sink=is_sink))
        return FrameWork(works=tuple(works), goes_on=luck <= self._left + _UNDER_WAY)

    def handoff_s(self, *, met: bool) -> float:
        """From the end of the step before to the beginning of this lane's first, where its thread sleeps."""
        spread_ms = self._met_ms if met else self._alone_ms
        return draw_s(spread_ms, self._draw.random()) if spread_ms else 0.0

    def _work(self, name: str, cost: Cost, *, is_sink: bool) -> StepWork:
        """One step, and by what it would be longer with company: as long as others that were as long among theirs."""
        met, luck, lull = self._met.get(name, cost), self._draw.random(), self._draw.random()
        cpu_s, pause_s = draw_s(cost.spread_ms, luck), draw_s(cost.pause_ms, lull)
        more = Extra(max(0.0, draw_s(met.spread_ms, luck) - cpu_s), max(0.0, draw_s(met.pause_ms, lull) - pause_s))
        wait_s = cost.wait_ms / 1000
        return StepWork(name=name, cpu_s=cpu_s, wait_s=wait_s, pause_s=pause_s, more=more, is_sink=is_sink)

    @property
    def mean_cpu_s(self) -> float:
        """CPU time for each frame of the source, on average: also for one that never comes here."""
        shares = ((cost.count / self._most, cost) for _, cost, _ in self._known)
        return self.overhead_s * self._come / self._most + sum(share * mean_s(cost) for share, cost in shares)

    @property
    def mean_s(self) -> float:
        """Likewise, with what it waits for an accelerator."""
        return self.mean_cpu_s + sum(cost.wait_ms / 1000 * cost.count / self._most for _, cost, _ in self._known)


def mean_s(cost: Cost) -> float:
    """The CPU time of one frame, on average, in seconds."""
    pieces = zip(pairwise(SHARES), pairwise(cost.spread_ms), strict=True)
    return sum((high - low) * (first + second) / 2 for (low, high), (first, second) in pieces) / 1000
