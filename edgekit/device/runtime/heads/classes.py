"""The likeliest classes of a classifier's scores."""

from __future__ import annotations

import numpy as np

from edgekit.device.runtime.heads.candidates import Activation, Floats, activated


def likeliest(numbers: Floats, count: int, threshold: float, activation: Activation) -> list[tuple[int, float]]:
    """Classes with their scores, the likeliest first, equal ones in their order. What is no number never counts.

    Args:
        numbers: [classes], as the model gives them.
        count: so many at most.
        threshold: least score.
        activation: what makes scores of them.
    """
    scores = activated(numbers, activation)
    sound = np.where(np.isfinite(scores), scores, -np.inf)
    order = np.argsort(-sound, kind="stable")[:count]
    return [
        (int(index), min(float(sound[index]), 1.0))
        for index in order
        if np.isfinite(sound[index]) and sound[index] >= threshold
    ]
