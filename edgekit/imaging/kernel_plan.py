"""A planned conversion as compiled kernels take it, on CPU and GPU: tables of whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.imaging.image import FrameSpec
from edgekit.imaging.matrices import Rows
from edgekit.imaging.planning import Conversion, value_of
from edgekit.imaging.sampling import PlaneSampling

Taps = npt.NDArray[np.int32]
"""int32[n, 3]: for each column or row of the result two samples of the source, and the second's weight in 1/256."""
_ONE, _HALF = 256, 128


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelPlan:
    """All that a kernel is told of a conversion. Arrays are not written to."""

    y_columns: Taps
    y_rows: Taps
    c_columns: Taps
    """In samples of chroma."""
    c_rows: Taps
    source_size: tuple[int, int]
    """Luma's columns and rows."""
    chroma_size: tuple[int, int]
    colours: tuple[int, ...]
    """Gains of `Y - 128` in all, of Cr in R, of Cb and Cr in G, of Cb in B, each in 1/8192; then what R, G and B have
    beside, in 1/32 of a level: half a level for rounding, and half of what products lose, are in it."""
    channels: tuple[int, ...]
    """See `Conversion.channels`."""
    gains: tuple[float, ...]
    offsets: tuple[float, ...]
    tables: npt.NDArray[Any] | None
    """[channels, 256]: what the tensor holds for each level; None where that is the level itself, or float32."""


def plan_kernel(plan: Conversion) -> KernelPlan | None:
    """The plan for kernels; None for what only the portable executor carries out: pixels, and means of areas."""
    spec, chroma = plan.source, plan.chroma
    if not isinstance(spec, FrameSpec) or chroma is None or plan.matrix is None:
        return None
    luma_taps, chroma_taps = _taps(plan.luma), _taps(chroma)
    if luma_taps is None or chroma_taps is None:
        return None
    (y_columns, y_rows), (c_columns, c_rows) = luma_taps, chroma_taps
    contract = plan.contract
    as_it_is = contract.dtype == "float32" or (contract.dtype == "uint8" and contract.quantised is None)
    channels = zip(plan.gains, plan.offsets, strict=True)
    tables = [[value_of(level, gain, offset, contract) for level in range(256)] for gain, offset in channels]
    return KernelPlan(
        y_columns=y_columns,
        y_rows=y_rows,
        c_columns=c_columns,
        c_rows=c_rows,
        source_size=(spec.width_px, spec.height_px),
        chroma_size=((spec.width_px + 1) // 2, (spec.height_px + 1) // 2),
        colours=_colours(plan.matrix),
        channels=plan.channels,
        gains=plan.gains,
        offsets=plan.offsets,
        tables=None if as_it_is else np.array(tables, contract.dtype),
    )


def _colours(matrix: Rows) -> tuple[int, ...]:
    rows, products = np.array(matrix), np.array([2, 3, 2])
    gains = np.array([rows[0, 0], rows[0, 2], rows[1, 1], rows[1, 2], rows[2, 1]]) * 8192
    middle = rows[:, :3] @ (128, 128, 128) + rows[:, 3]
    return tuple(int(one) for one in np.rint([*gains, *((middle + 0.5) * 32 + products / 2)]))


def _taps(sampling: PlaneSampling) -> tuple[Taps, Taps] | None:
    """Of columns and of rows; None for means of areas, which have more than two."""
    part = sampling.part
    match sampling.kind:
        case "point":
            columns = _points(part.left, part.out_width, sampling.step_x, sampling.shift)
            return columns, _points(part.top, part.out_height, sampling.step_y, sampling.shift)
        case "mean":
            return _means(part.left, part.out_width), _means(part.top, part.out_height)
        case "linear":
            columns = _linear(part.left, part.width, part.out_width)
            return columns, _linear(part.top, part.height, part.out_height)
        case "area":
            return None


def _points(start: int, out: int, step: int, shift: int) -> Taps:
    samples = (start + np.arange(out) * step + step // 2) >> shift
    return _stacked(samples, samples, np.zeros(out))


def _means(start: int, out: int) -> Taps:
    samples = start + 2 * np.arange(out)
    return _stacked(samples, samples + 1, np.full(out, _HALF))


def _linear(start: int, size: int, out: int) -> Taps:
    places = (np.arange(out) + 0.5) * size / out - 0.5
    first = np.floor(places)
    samples = (start + np.clip(first + beside, 0, size - 1) for beside in (0, 1))
    return _stacked(*samples, np.rint((places - first) * _ONE))


def _stacked(*columns: npt.NDArray[Any]) -> Taps:
    return np.stack(columns, axis=1).astype(np.int32)
