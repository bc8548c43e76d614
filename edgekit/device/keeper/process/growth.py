"""Whether something grows: a straight line through samples, and how far it can be trusted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

HOUR_S = 3600.0
_FEWEST = 3
_MOST_ALIKE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Of the last half of a run."""

    per_hour: float
    bound: float
    """The true slope lies within this of `per_hour` with 95 % confidence."""
    seconds: float
    """Of the last half."""
    n: int

    def verdict(self, most_per_hour: float) -> Literal["steady", "grows", "too short to say"]:
        """Whether it grows by no more than `most_per_hour`, with confidence."""
        if self.per_hour + self.bound <= most_per_hour:
            return "steady"
        if self.per_hour - self.bound > most_per_hour:
            return "grows"
        return "too short to say"


class SampleRing:
    """Samples of a whole life in a bounded memory: when it is full, every other one goes, and half as many come."""

    def __init__(self, every_s: float, most: int) -> None:
        """Take one sample in so many seconds at first, and hold `most`, which is even, at any time."""
        self._every_s, self._most = every_s, most
        self._samples: list[tuple[float, float]] = []

    def is_due(self, at_s: float) -> bool:
        """Whether a sample is wanted at this time."""
        return not self._samples or at_s >= self._samples[-1][0] + self._every_s

    def add(self, at_s: float, value: float) -> None:
        """Add the one that is due, or make room for those that will be."""
        if len(self._samples) == self._most:
            self._samples = self._samples[1::2]  # the last one stays: the next is due after that
            self._every_s *= 2
            if not self.is_due(at_s):
                return
        self._samples.append((at_s, value))

    @property
    def samples(self) -> tuple[tuple[float, float], ...]:
        """Seconds and value, in order. For any thread."""
        return tuple(self._samples)


def _wide(freedom: int) -> float:
    """Standard errors on either side for 95 %: Student's t, by an expansion that is good to 1 % from three on.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    if freedom < 3:
        return (math.inf, 12.71, 4.30)[freedom]
    z = 1.96
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def growth(samples: Sequence[tuple[float, float]]) -> Growth:
    """Fit the last half of a run by least squares.

    Samples that follow each other resemble each other (an allocator keeps what it has), so they count for less than
    their number: the error is widened by their lag-1 correlation, as for a first-order autoregressive process.

    Args:
        samples: seconds and value, in order, at least one. With fewer than three in the last half nothing can be said.
    """
    begin_s = (samples[0][0] + samples[-1][0]) / 2
    kept = [one for one in samples if one[0] >= begin_s]
    count, seconds = len(kept), kept[-1][0] - kept[0][0]
    if count < _FEWEST or seconds <= 0:
        return Growth(per_hour=0.0, bound=math.inf, seconds=seconds, n=count)
    middle_s, middle = (math.fsum(one[place] for one in kept) / count for place in (0, 1))
    across = math.fsum((at_s - middle_s) ** 2 for at_s, _ in kept)
    slope = math.fsum((at_s - middle_s) * (value - middle) for at_s, value in kept) / across
    left = [value - middle - slope * (at_s - middle_s) for at_s, value in kept]
    squares = math.fsum(one * one for one in left)
    alike = math.fsum(one * two for one, two in itertools.pairwise(left)) / squares if squares else 0.0
    alike = min(max(alike, 0.0), _MOST_ALIKE)
    error = math.sqrt(squares / max(1, count - 2) / across * (1 + alike) / (1 - alike))
    return Growth(per_hour=slope * HOUR_S, bound=_wide(count - 2) * error * HOUR_S, seconds=seconds, n=count)
