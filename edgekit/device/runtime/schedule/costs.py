"""What work has cost lately. Pure: times come from outside."""

from __future__ import annotations

from collections import deque
from math import ceil, inf
from typing import NamedTuple

_SAMPLES = 64
_FRESH_S = 2.0
"""After so long without a sample nothing is known any more. So a frame is tried anew where a slow start, or a burst
that is over, had all frames be dropped as too late: nothing else would tell that they no longer are."""
_QUANTILE = 0.95
_EACH = 8
"""Samples from one look at all of them to the next: sorting them costs as much as handing a frame on."""


class CostState(NamedTuple):
    """What is known of one kind of work's costs."""

    samples: tuple[float, ...] = ()
    at_s: float = -inf
    bound_s: float = 0.0
    total: int = 0


class RecentCosts:
    """The last samples of one kind of work. One thread adds at a time; any may ask."""

    __slots__ = ("_at_s", "_bound_s", "_count", "_samples")

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=_SAMPLES)
        self._at_s = -inf
        self._bound_s = 0.0
        self._count = 0

    def add(self, seconds: float, now_s: float) -> None:
        """One sample more."""
        if now_s - self._at_s > _FRESH_S:
            self._samples.clear()
            self._count = 0
        self._samples.append(seconds)
        self._count += 1
        if self._count <= _EACH or not self._count % _EACH or seconds > self._bound_s:
            self._bound_s = sorted(self._samples)[ceil(_QUANTILE * len(self._samples)) - 1]
        self._at_s = now_s

    def state(self) -> CostState:
        """All that it knows."""
        return CostState(tuple(self._samples), self._at_s, self._bound_s, self._count)

    def restore(self, state: CostState) -> None:
        """Know that, and nothing else."""
        self._samples = deque(state.samples, maxlen=_SAMPLES)
        self._at_s, self._bound_s, self._count = state.at_s, state.bound_s, state.total

    def bound_s(self, now_s: float) -> float:
        """What 95 of 100 do not exceed, in seconds; 0 where nothing is known."""
        return self._bound_s if now_s - self._at_s <= _FRESH_S else 0.0
