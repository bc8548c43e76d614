"""Where the picture lies in a tensor, and what lies around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.imaging.planning import Conversion


def inner_of(plan: Conversion, tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The picture's place in one picture's tensor: a view [channels, height, width], whatever the layout."""
    rows, columns = _place(plan)
    return _channels_first(plan, tensor)[:, rows, columns]


def write_bars(plan: Conversion, tensor: npt.NDArray[Any]) -> None:
    """Fill all of one picture's tensor but the picture's place."""
    if not plan.is_boxed:
        return
    rows, columns = _place(plan)
    bars = np.array(plan.bars, tensor.dtype)
    for channel, bar in zip(_channels_first(plan, tensor), bars, strict=True):
        channel[: rows.start] = bar
        channel[rows.stop :] = bar
        channel[rows, : columns.start] = bar
        channel[rows, columns.stop :] = bar


def _place(plan: Conversion) -> tuple[slice, slice]:
    fit = plan.fit
    rows = slice(fit.top_px, fit.top_px + fit.height_px)
    return rows, slice(fit.left_px, fit.left_px + fit.width_px)


def _channels_first(plan: Conversion, tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return tensor if plan.contract.layout == "NCHW" else tensor.transpose(2, 0, 1)
