"""From a picture's planes to a model's input in one pass, without the interpreter's lock.

Whoever makes a `PictureKernel` has planned everything before: this checks what C would read and write, and no more.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgekit_kernels import _picture

Bytes = npt.NDArray[np.uint8]
_MOST_SIDE = 1 << 15
_OUTPUTS = {"uint8": 0, "float32": 1, "table8": 2, "table16": 3}


class _Plane(ctypes.Structure):
    _fields_ = (("at", ctypes.c_void_p), ("row_bytes", ctypes.c_int64), ("step_bytes", ctypes.c_int64))


class _Job(ctypes.Structure):
    """`picture_job` of picture.h."""

    _fields_ = (
        ("y", _Plane),
        ("u", _Plane),
        ("v", _Plane),
        ("y_columns", ctypes.c_void_p),
        ("y_rows", ctypes.c_void_p),
        ("c_columns", ctypes.c_void_p),
        ("c_rows", ctypes.c_void_p),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("y_width", ctypes.c_int32),
        ("c_width", ctypes.c_int32),
        ("colours", ctypes.c_int16 * 8),
        ("channels", ctypes.c_int32),
        ("output", ctypes.c_int32),
        ("source", ctypes.c_int32 * 3),
        ("scale", ctypes.c_float * 3),
        ("offset", ctypes.c_float * 3),
        ("tables", ctypes.c_void_p * 3),
        ("out", ctypes.c_void_p),
        ("out_row_bytes", ctypes.c_int64),
        ("out_pixel_bytes", ctypes.c_int64),
        ("out_channel_bytes", ctypes.c_int64),
    )


assert ctypes.sizeof(_Job) == _picture.JOB_BYTES, "the C part is of this package"


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePlan:
    """What is decided before the first picture."""

    y_columns: npt.NDArray[np.int32]
    """int32[width, 3]: for each column of the result two of the source, and the second one's weight in 1/256."""
    y_rows: npt.NDArray[np.int32]
    """int32[height, 3]: the same for rows."""
    c_columns: npt.NDArray[np.int32]
    """As `y_columns`, in samples of chroma."""
    c_rows: npt.NDArray[np.int32]
    colours: Sequence[int]
    """Eight numbers: see `colours` in picture.h."""
    channels: Sequence[int]
    """Which of R, G, B fills each channel of the result; empty: one channel of grey, by BT.601's weights."""
    scales: Sequence[float]
    """float32 alone: level * scale + offset, for each channel of the result."""
    offsets: Sequence[float]
    tables: npt.NDArray[Any] | None = None
    """[channels, 256] of the result's values for each level, of one or two bytes; None: float32 or uint8 as it is."""
    source_size: tuple[int, int]
    """Width and height of luma, in samples."""
    chroma_size: tuple[int, int]


class PictureKernel:
    """Carries out one plan. Used by one thread at a time."""

    variant: Literal["plain", "avx2"] = _picture.variant()
    """Which instructions it takes on this CPU; NEON is plain on Arm."""

    def __init__(self, plan: PicturePlan, *, plain: bool = False) -> None:
        """Check a plan.

        Args:
            plan: is copied.
            plain: leave out what only this CPU has.

        Raises:
            ValueError: a table reaches outside the source, or does not fit the others.
        """
        self._run = _picture.convert_plain if plain else _picture.convert
        self._sizes = plan.source_size, plan.chroma_size
        (y_width, y_height), (c_width, c_height) = self._sizes
        limits = (y_width, y_height, c_width, c_height)
        if not all(0 < limit <= _MOST_SIDE for limit in limits):
            raise ValueError(f"no picture has sides of {limits}")
        taps = [_taps(table, limit) for table, limit in zip(_tables_of(plan), limits, strict=True)]
        if len(taps[0]) != len(taps[2]) or len(taps[1]) != len(taps[3]):
            raise ValueError("luma and chroma are sampled to different sizes")
        self._shape = (len(taps[1]), len(taps[0]))
        self._count = len(plan.channels) or 1
        if plan.channels and sorted(plan.channels) != [0, 1, 2]:
            raise ValueError(f"channels are none of R, G, B: {plan.channels}")
        tables = None if plan.tables is None else np.ascontiguousarray(plan.tables)
        if tables is not None and (tables.shape != (self._count, 256) or tables.itemsize > 2):
            raise ValueError(f"tables are {tables.dtype} {tables.shape}")
        self._dtype = tables.dtype if tables is not None else None
        self._kept = (taps, tables)  # C has their addresses
        self._job = _Job(
            y_columns=_address(taps[0]),
            y_rows=_address(taps[1]),
            c_columns=_address(taps[2]),
            c_rows=_address(taps[3]),
            width=self._shape[1],
            height=self._shape[0],
            y_width=y_width,
            c_width=c_width,
            channels=self._count,
        )
        self._job.colours[:] = _checked(plan.colours)
        for channel in range(self._count):
            self._job.source[channel] = plan.channels[channel] if plan.channels else 0
            self._job.scale[channel], self._job.offset[channel] = plan.scales[channel], plan.offsets[channel]
            if tables is not None:
                self._job.tables[channel] = _address(tables[channel])

    def __call__(self, y: Bytes, u: Bytes, v: Bytes, out: npt.NDArray[Any]) -> None:
        """Convert one picture.

        Args:
            y: uint8[height, width], of any strides.
            u: uint8 of the chroma's size: Cb.
            v: Cr.
            out: [channels, height, width] as a view of any strides: where the picture lies in the model's input.

        Raises:
            ValueError: something is not as the plan says.
        """
        job = self._job
        for plane, samples, size in (
            (job.y, y, self._sizes[0]),
            (job.u, u, self._sizes[1]),
            (job.v, v, self._sizes[1]),
        ):
            if samples.dtype != np.uint8 or samples.shape != size[::-1]:
                raise ValueError(f"a plane is {samples.dtype} {list(samples.shape)}, the plan says {size[1]}x{size[0]}")
            plane.at, (plane.row_bytes, plane.step_bytes) = _address(samples), samples.strides
        if not out.flags.writeable or not out.flags.aligned:
            raise ValueError("the result is read-only, or not aligned")
        if out.shape != (self._count, *self._shape):
            raise ValueError(f"the result is {list(out.shape)}, the plan says {[self._count, *self._shape]}")
        if out.dtype != (self._dtype or out.dtype) or (self._dtype is None and out.dtype.name not in _OUTPUTS):
            raise ValueError(f"the result is {out.dtype}, the plan says {self._dtype or 'float32 or uint8'}")
        job.output = _OUTPUTS[out.dtype.name if self._dtype is None else f"table{8 * self._dtype.itemsize}"]
        job.out_channel_bytes, job.out_row_bytes, job.out_pixel_bytes = out.strides
        job.out = _address(out)
        self._run(ctypes.addressof(job))


def _tables_of(plan: PicturePlan) -> tuple[npt.NDArray[np.int32], ...]:
    return plan.y_columns, plan.y_rows, plan.c_columns, plan.c_rows


def _taps(table: npt.NDArray[np.int32], limit: int) -> npt.NDArray[np.int32]:
    taps = np.array(table, np.int32, order="C")
    if taps.ndim != 2 or taps.shape[1] != 3 or not 0 < len(taps) <= _MOST_SIDE:
        raise ValueError(f"a table of samples is {list(taps.shape)}")
    samples, weights = taps[:, :2], taps[:, 2]
    if samples.min() < 0 or samples.max() >= limit or weights.min() < 0 or weights.max() > 256:
        raise ValueError(f"a table reaches outside the {limit} samples that there are")
    return taps


def _checked(colours: Sequence[int]) -> list[int]:
    """Sums stay in 16 bits."""
    numbers = np.array(colours, np.int64)
    if numbers.shape != (8,):
        raise ValueError(f"{numbers.size} numbers are no matrix of colours")
    luma, red_cr, green_cb, green_cr, blue_cb = np.abs(numbers[:5]) / 2
    most = np.array([luma + red_cr, luma + green_cb + green_cr, luma + blue_cb]) + np.abs(numbers[5:])
    if most.max() >= 32_760 or np.abs(numbers).max() > 32_767:
        raise ValueError("the matrix of colours leaves 16 bits")
    return [int(one) for one in numbers]


def _address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
