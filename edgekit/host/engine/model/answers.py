"""Outputs of a model or an engine on pictures, as arrays. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Answers = Mapping[str, npt.NDArray[np.generic]]
"""One array for each output of a model: [frames, ...]."""


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """The axis of channels in [frames, batch, ...]: a map's first, the shorter of a list's; a vector has none."""
    match len(shape) - 2:
        case 2:
            return 2 if shape[2] <= shape[3] else 3
        case 3 | 4:
            return 2
    return None


def finite(array: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """The same as float64, to calculate with: NaN and infinity become 0."""
    return np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
