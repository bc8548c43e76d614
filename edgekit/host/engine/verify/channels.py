"""Compares an output channel by channel: what is lost in one hardly shows in the whole output. Pure.

A cosine is ruled by the largest numbers. Boxes of hundreds beside scores below one hide that every score is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from edgekit.host.engine.model.answers import channel_axis, finite

_MANY = 256
"""Different values that an int8 tensor has at most."""
_HANDFUL = 8
"""A channel of no more values is saturated, where the float model's has many."""
_SAMPLE = 4096
_SCORE_ERROR = 0.05
"""What a score may be off: a detection near its threshold moves by no more."""
_SCORE_SEEN = 0.25
"""A score that never gets so far had nothing to see in these pictures."""
_STILL = 1e-4
"""A channel whose middle nine tenths spread by less, of its own size, does not say anything."""
_COSINE = 0.9
"""Least cosine of one channel: the whole output's tolerance may be stricter."""
_SLACK = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel of one output, over all pictures: the float model's values beside the engine's."""

    index: int
    float_low: float
    float_high: float
    float_values: int
    """How many different ones; from 256 on: at least so many."""
    low: float
    high: float
    values: int
    cosine: float
    max_abs: float
    spread: float
    """Of the middle nine tenths of the float model's values."""

    @property
    def is_score(self) -> bool:
        """Whether it holds probabilities: then an absolute error counts, as thresholds do."""
        return self.float_low >= -_SLACK and self.float_high <= 1 + _SLACK

    @property
    def is_alive(self) -> bool:
        """Whether the float model says something in it, on these pictures."""
        size = max(abs(self.float_low), abs(self.float_high))
        if self.is_score:
            return self.float_high - self.float_low > _SCORE_ERROR
        return self.float_values > _HANDFUL and self.spread > _STILL * size


def compare_channels(want: npt.NDArray[np.generic], got: npt.NDArray[np.generic]) -> tuple[Channel, ...]:
    """Compare an output channel by channel.

    Args:
        want: the float model's answers, [frames, batch, ...].
        got: the engine's, of the same size.

    Returns:
        One entry a channel; none where the output has no channels.
    """
    axis = channel_axis(want.shape)
    if axis is None or not want.size:
        return ()
    first, second = (np.moveaxis(array.reshape(want.shape), axis, 0) for array in (want, got))
    pairs = zip(first, second, strict=True)
    return tuple(_compare(index, one.ravel(), other.ravel()) for index, (one, other) in enumerate(pairs))


def lost(channels: Iterable[Channel], least_cosine: float) -> Iterator[tuple[Channel, str]]:
    """Channels in which the engine loses what the float model says, each with the reason in words.

    Args:
        channels: of one output.
        least_cosine: the recipe's for the whole output; one that is widened holds for each channel too.
    """
    for one in channels:
        if reason := _reason(one, min(least_cosine, _COSINE)):
            yield one, reason


def _reason(one: Channel, least_cosine: float) -> str:
    if not one.is_alive:
        return ""
    error = _SCORE_ERROR if one.is_score else (one.float_high - one.float_low) / (2 * _HANDFUL)
    if one.values == 1:
        return f"is {one.low:.4g} throughout in the engine"
    if one.values <= _HANDFUL < one.float_values and one.max_abs > error:
        return f"takes {one.values} values in the engine"
    seen = not one.is_score or one.float_high >= _SCORE_SEEN
    if seen and one.cosine < least_cosine and one.max_abs > error:
        return f"has cosine {one.cosine:.4f}"
    return ""


def summarise(channels: Iterable[Channel]) -> tuple[str, ...]:
    """One line for neighbours of a kind: `channels 0-3: 1.9..158 (249 values) for 2..158, off by 2.1 at most`."""
    return tuple(_line(tuple(group)) for _, group in groupby(channels, _kind))


def _kind(one: Channel) -> tuple[bool, int]:
    """Scores are one kind; others are told apart by their size, in tens."""
    size = max(abs(one.float_low), abs(one.float_high), 1e-9)
    return (True, 0) if one.is_score else (False, round(float(np.log10(size))))


def _line(group: tuple[Channel, ...]) -> str:
    first, last = group[0].index, group[-1].index
    where = f"channel {first}" if first == last else f"channels {first}-{last}"
    low, high = min(one.low for one in group), max(one.high for one in group)
    float_low, float_high = min(one.float_low for one in group), max(one.float_high for one in group)
    fewest, most = (choose(one.values for one in group) for choose in (min, max))
    fewest, most = min(fewest, _MANY), min(most, _MANY)
    values = f"{_count(fewest)} values" if fewest == most else f"{fewest} to {_count(most)} values"
    off, cosine = max(one.max_abs for one in group), min(one.cosine for one in group)
    return (
        f"{where}: {low:.4g} to {high:.4g} in {values}, float {float_low:.4g} to {float_high:.4g}; "
        f"cosine {cosine:.4f} at least, off by {off:.3g} at most"
    )


def _count(values: int) -> str:
    return f"{values} or more" if values >= _MANY else str(values)


def _compare(index: int, want: npt.NDArray[np.generic], got: npt.NDArray[np.generic]) -> Channel:
    first, second = want.astype(np.float64), finite(got)
    fifth, last = np.percentile(first, (5, 95))
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    cosine = float(first @ second) / norm if norm > 0 else float(np.array_equal(first, second))
    return Channel(
        index=index,
        float_low=float(first.min()),
        float_high=float(first.max()),
        float_values=_values(want),
        low=float(second.min()),
        high=float(second.max()),
        values=_values(got),
        cosine=cosine if np.isfinite(cosine) else 0.0,
        max_abs=float(np.abs(first - second).max()),
        spread=float(last - fifth),
    )


def _values(array: npt.NDArray[np.generic]) -> int:
    """How many different ones; counting stops where a sample has as many as int8 can have."""
    some = len(np.unique(array[:_SAMPLE]))
    return some if some >= _MANY else len(np.unique(array))
