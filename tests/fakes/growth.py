"""Whether something grows: a straight line through samples, and how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

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


def _wide(freedom: int) -> float:
    """Standard errors on either side for 95 %: Student's t, by an expansion that is good to 1 % from three on.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    if freedom < 3:
        return (math.inf, 12.71, 4.30)[freedom]
    z = 1.96
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def growth(samples: Sequence[tuple[float, float]]) -> Growth:
    """Fit the last half of a run.

    Samples that follow each other resemble each other (an allocator keeps what it has), so they count for less than
    their number: the error is widened by their lag-1 correlation, as for a first-order autoregressive process.

    Args:
        samples: seconds and value, in order. With fewer than three in the last half nothing can be said.
    """
    begin_s = (samples[0][0] + samples[-1][0]) / 2
    at_s, values = np.array([one for one in samples if one[0] >= begin_s]).T
    if len(values) < _FEWEST:
        return Growth(per_hour=0.0, bound=math.inf, seconds=float(at_s[-1] - at_s[0]), n=len(values))
    slope, start = np.polyfit(at_s - begin_s, values, 1)
    left = values - start - slope * (at_s - begin_s)
    count, squares = len(values), float(left @ left)
    alike = float(left[1:] @ left[:-1]) / squares if squares else 0.0
    alike = min(max(alike, 0.0), _MOST_ALIKE)
    across = at_s - at_s.mean()
    error = math.sqrt(squares / max(1, count - 2) / float(across @ across) * (1 + alike) / (1 - alike))
    return Growth(
        per_hour=float(slope) * HOUR_S,
        bound=_wide(count - 2) * error * HOUR_S,
        seconds=float(at_s[-1] - at_s[0]),
        n=count,
    )
