"""Brings planes to the size of the picture in a model's input, as a `PlaneSampling` says, with numpy and OpenCV."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.imaging.image import Pixels
from edgekit.imaging.sampling import PlaneSampling

Samples = TypeVar("Samples", Pixels, npt.NDArray[np.uint16])
_MODES = {"mean": cv2.INTER_LINEAR, "linear": cv2.INTER_LINEAR_EXACT, "area": cv2.INTER_AREA}


class Sampler:
    """Carries out one `PlaneSampling`. Keeps what it needs between frames. Used by one thread."""

    def __init__(self, plan: PlaneSampling) -> None:
        self._plan = plan
        self._size = (plan.part.out_width, plan.part.out_height)
        self._room: dict[str, Pixels] = {}

    def plane(self, plane: Pixels, out: Pixels) -> Pixels:
        """Sample one plane.

        Args:
            plane: uint8[height, width]; samples may lie apart.
            out: uint8[out_height, out_width], contiguous.

        Returns:
            `out`, or a view of the plane where that is its size already and its rows are whole.
        """
        if self._plan.kind == "point":
            return self._points(plane, out)
        part = self._read(plane)
        if part.strides[1] != 1:
            part = self._packed("plane", part)
        cv2.resize(part, self._size, dst=out, interpolation=_MODES[self._plan.kind])
        return out

    def pair(self, u: Pixels, v: Pixels, out: tuple[Pixels, Pixels]) -> tuple[Pixels, Pixels]:
        """Sample Cb and Cr, which go the way together where they lie in pairs."""
        pairs = _pairs(u, v) if self._plan.kind != "mean" else None
        if pairs is None or (self._plan.kind == "point" and not _are_words(pairs)):
            return self.plane(u, out[0]), self.plane(v, out[1])
        first, second = out if u.ctypes.data < v.ctypes.data else out[::-1]
        both = self._space("pairs", (*out[0].shape, 2))
        if self._plan.kind == "point":  # both at once, as words of 16 bits
            self._points(pairs.view(np.uint16)[..., 0], both.view(np.uint16)[..., 0])
        else:
            cv2.resize(self._read(pairs), self._size, dst=both, interpolation=_MODES[self._plan.kind])
        cv2.split(both, [first, second])
        return out

    def pixels(self, pixels: Pixels) -> Pixels:
        """Sample interleaved pixels, or grey ones: valid until the next call, contiguous."""
        plan, channels = self._plan, pixels.shape[2:]
        out = self._space("pixels", (plan.part.out_height, plan.part.out_width, *channels))
        part = self._read(pixels)
        if plan.kind == "point":
            np.copyto(out, part[plan.step_y // 2 :: plan.step_y, plan.step_x // 2 :: plan.step_x])
        else:
            part = part if part.flags.c_contiguous or part.strides[1] == part[0, 0].size else part.copy()
            cv2.resize(part, self._size, dst=out, interpolation=_MODES[plan.kind])
        return out

    def _points(self, plane: Samples, out: Samples) -> Samples:
        plan = self._plan
        if not plan.shift:
            part = self._read(plane)
            if (plan.step_x, plan.step_y) == (1, 1) and part.strides[1] == 1:
                return part
            np.copyto(out, part[plan.step_y // 2 :: plan.step_y, plan.step_x // 2 :: plan.step_x])
            return out
        # Chroma's columns are a step apart for every other pixel of the output: two copies a row, two a column.
        rows, columns = (
            _phases(start, step) for start, step in ((plan.part.top, plan.step_y), (plan.part.left, plan.step_x))
        )
        for row, (top, down) in enumerate(rows):
            for column, (left, right) in enumerate(columns):
                to = out[row::2, column::2]
                np.copyto(to, plane[top::down, left::right][: to.shape[0], : to.shape[1]])
        return out

    def _read(self, plane: Samples) -> Samples:
        """The part that is read; of chroma that is sampled by itself the numbers are its own."""
        part = self._plan.part
        return plane[part.top : part.top + part.height, part.left : part.left + part.width]

    def _packed(self, name: str, part: Pixels) -> Pixels:
        packed = self._space(name, part.shape)
        np.copyto(packed, part)
        return packed

    def _space(self, name: str, shape: tuple[int, ...]) -> Pixels:
        found = self._room.get(name)
        if found is None or found.shape != shape:
            found = self._room[name] = np.empty(shape, np.uint8)
        return found


def _phases(start: int, step: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """First index and stride of even and of odd outputs, of the samples beside luma `start + n * step + step // 2`."""
    middle = start + step // 2
    return (middle >> 1, step), ((middle + step) >> 1, step)


def _are_words(pairs: Pixels) -> bool:
    """Whether each pair lies where a word of 16 bits may: others are slow to move."""
    return pairs.ctypes.data % 2 == 0 and pairs.strides[0] % 2 == 0


def _pairs(u: Pixels, v: Pixels) -> Pixels | None:
    """Cb and Cr as pairs where they lie side by side: uint8[height, width, 2], in the order of their addresses."""
    first, second = (u, v) if u.ctypes.data < v.ctypes.data else (v, u)
    if first.strides != second.strides or first.strides[1] != 2 or second.ctypes.data - first.ctypes.data != 1:
        return None
    return np.lib.stride_tricks.as_strided(first, (*first.shape, 2), (*first.strides, 1), writeable=False)
