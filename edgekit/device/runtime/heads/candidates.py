"""What a detector's outputs offer, and what of it counts: the strongest class of each candidate first, boxes last.

Most of a detector's thousands of candidates see nothing. So only the highest score of each is looked for in all of
them, and its box, its class, its mask and its points are worked out for those that passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
Activation = Literal["none", "sigmoid", "softmax"]

MOST_CANDIDATES = 4096
"""Boxes that suppression looks at, the strongest: a picture full of noise must not stop the pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Candidates that lie together in a model's outputs: views of them, and functions that take some by number."""

    scores: Floats
    """[classes, candidates], as the model gives them; one row where it has chosen the class itself."""
    chosen: Floats | None = None
    """[candidates]: the class that it has chosen."""
    background: int | None = None
    """The row of `scores` that means that there is nothing: 0 or -1."""
    certainty: Floats | None = None
    """[candidates]: how sure it is that there is anything at all, as the model gives it."""
    boxes: Callable[[Indices], Floats]
    """[n, 4] for n candidates: left, top, right, bottom in pixels of the model's input."""
    values: Callable[[Indices], Floats] | None = None
    """[n, values] for n candidates: what masks or points are made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Boxes that passed, strongest first; equal ones in the model's order."""

    boxes: Floats
    """[n, 4]: left, top, right, bottom in pixels of the model's input."""
    scores: Floats
    """[n], 0..1."""
    classes: Indices
    """[n]."""
    extra: Floats
    """[n, values]; no values where the model has neither masks nor points."""

    def take(self, kept: Indices) -> Candidates:
        """Some of them, in that order."""
        return Candidates(
            boxes=self.boxes[kept], scores=self.scores[kept], classes=self.classes[kept], extra=self.extra[kept]
        )


def pick(levels: Sequence[Level], limits: Floats, activation: Activation = "none") -> Candidates:
    """Take what passes its class's threshold, with its strongest class.

    Args:
        levels: what the model offers, with the same extra values each.
        limits: [classes], the least score of each.
        activation: what makes scores and certainties of the model's numbers; a softmax goes over the classes.

    Returns:
        The strongest `MOST_CANDIDATES`. What is no number, in score or box, is left out.
    """
    parts = [_passed(level, limits, activation) for level in levels]
    classes, scores, boxes, extra = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    return Candidates(boxes=boxes, scores=scores, classes=classes, extra=extra).take(order)


def _passed(level: Level, limits: Floats, activation: Activation) -> tuple[Indices, Floats, Floats, Floats]:
    raw = softmax(level.scores) if activation == "softmax" else level.scores
    if level.background is not None:
        raw = raw[1:] if level.background == 0 else raw[:-1]
    best = raw.max(axis=0)
    if activation == "sigmoid":
        best = sigmoid(best)
    if level.certainty is not None:
        best = best * (sigmoid(level.certainty) if activation == "sigmoid" else level.certainty)
    # A NaN is the maximum of all, and passes no comparison.
    seen = np.flatnonzero((best >= limits.min()) & (best < np.inf))
    if level.chosen is None:
        classes = raw[:, seen].argmax(axis=0)
    else:
        known = (level.chosen[seen] > -0.5) & (level.chosen[seen] < len(limits) - 0.5)
        seen = seen[known]
        classes = np.rint(level.chosen[seen]).astype(np.intp)
    passed = best[seen] >= limits[classes]
    seen, classes = seen[passed], classes[passed]
    if len(seen) > MOST_CANDIDATES:
        strongest = np.sort(np.argsort(-best[seen], kind="stable")[:MOST_CANDIDATES])
        seen, classes = seen[strongest], classes[strongest]
    boxes = level.boxes(seen)
    extra = level.values(seen) if level.values is not None else np.zeros((len(seen), 0), np.float32)
    sound = np.isfinite(boxes).all(axis=1)
    return classes[sound], np.minimum(best[seen[sound]], 1), boxes[sound], extra[sound]


def activated(values: Floats, activation: Activation) -> Floats:
    """What a model's numbers mean as scores; a softmax goes over the first axis."""
    match activation:
        case "softmax":
            return softmax(values)
        case "sigmoid":
            return sigmoid(values)
        case "none":
            return values


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    made: Floats = 0.5 * np.tanh(0.5 * values) + 0.5
    return made


def softmax(values: Floats, axis: int = 0) -> Floats:
    """Shares that add up to 1 along an axis."""
    with np.errstate(invalid="ignore"):  # infinities among them give NaN, which passes nothing
        powers = np.exp(values - values.max(axis=axis, keepdims=True))
        made: Floats = powers / powers.sum(axis=axis, keepdims=True)
    return made


def corners(middles: Floats, sizes: Floats) -> Floats:
    """Boxes [n, 4] by their corners, of middles [n, 2] and sizes [n, 2]."""
    half = sizes / 2
    return np.concatenate([middles - half, middles + half], axis=1)
