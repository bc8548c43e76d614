"""Carries out a planned conversion with numpy and OpenCV, on any machine: the reference for all that is compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.imaging.image import Image, Pixels, RgbImage, Yuv420Image
from edgekit.imaging.matrices import Rows
from edgekit.imaging.place import inner_of, write_bars
from edgekit.imaging.planning import Conversion
from edgekit.imaging.resampling import Sampler
from edgekit.imaging.tensor_layout import TensorLayout, look_up, written


class PortableFiller:
    """See `edgekit.imaging.conversion.TensorFiller`. Keeps memory of the picture's size, and makes none for a frame."""

    def __init__(self, plan: Conversion) -> None:
        self._plan = plan
        self._levels = LevelMaker(plan)
        self._layout = TensorLayout(plan.contract)
        fit, channels = plan.fit, plan.contract.channels
        self._planes = new_planes(plan)
        self._pixels: Pixels = np.empty((fit.height_px, fit.width_px, channels), np.uint8)

    def fill(self, image: Image, tensor: npt.NDArray[np.generic], *, bars: bool = True) -> None:
        """See `TensorFiller.fill`."""
        contract = self._plan.contract
        if bars:
            write_bars(self._plan, tensor)
        inner, channels = inner_of(self._plan, tensor), self._plan.channels
        if contract.layout == "NCHW" and channels:
            self._fill_planes(image, {channel: inner[place] for place, channel in enumerate(channels)})
            return
        self._levels.make(image, self._planes)
        ordered = [self._planes[channel] for channel in channels] if channels else [grey_of(self._planes)]
        self._layout.write_planes(
            ordered, inner if contract.layout == "NCHW" else inner.transpose(1, 2, 0), self._pixels
        )

    def _fill_planes(self, image: Image, planes: Mapping[int, npt.NDArray[np.generic]]) -> None:
        """One channel after the other, by way of the same memory: it stays in the cache."""
        if self._layout.is_plain:
            self._levels.make(image, [np.asarray(planes[channel], np.uint8) for channel in range(3)])
            return
        places = {channel: place for place, channel in enumerate(self._plan.channels)}
        for channel, level in enumerate(self._levels.each(image, self._planes[:1] * 3)):
            self._layout.write_plane(level, places[channel], planes[channel])

    def close(self) -> None:
        """See `TensorFiller.close`."""


@dataclass(frozen=True, slots=True)
class _Mix:
    """Factors for Y, Cb and Cr, as saturating sums of two planes take them."""

    luma: float
    red: float
    """Of Cr in red."""
    red_offset: float
    blue: float
    """Of Cb in blue."""
    blue_offset: float
    green_blue: float
    """Of Cb in green's chroma, which is made first, around 128."""
    green_red: float
    green_middle: float
    green: float
    """Of green's chroma in green."""
    green_offset: float


def _mix(rows: Rows) -> _Mix:
    """Green takes all three planes, in two sums; its chroma is made smaller where 8 bits would not hold it."""
    red, green, blue = rows
    shrunk = max(1.0, (abs(green[1]) + abs(green[2])) * 128 / 127)
    return _Mix(
        luma=red[0],
        red=red[2],
        red_offset=red[3],
        blue=blue[1],
        blue_offset=blue[3],
        green_blue=green[1] / shrunk,
        green_red=green[2] / shrunk,
        green_middle=128 - 128 * (green[1] + green[2]) / shrunk,
        green=shrunk,
        green_offset=green[3] + 128 * (green[1] + green[2]) - 128 * shrunk,
    )


class LevelMaker:
    """Makes levels of R, G and B out of frames, at the size of the picture in the input. Used by one thread."""

    def __init__(self, plan: Conversion) -> None:
        self._plan = plan
        self._mix = _mix(plan.matrix) if plan.matrix else None
        shape = (plan.fit.height_px, plan.fit.width_px)
        if plan.chroma is not None:
            self._luma, self._chroma = Sampler(plan.luma), Sampler(plan.chroma)
            self._y, self._u, self._v, self._green = (np.empty(shape, np.uint8) for _ in range(4))
        else:
            self._luma = Sampler(plan.luma)
        factor, offset = plan.expand
        levels = np.rint(np.arange(256) * factor + offset).clip(0, 255).astype(np.uint8)
        self._expanded = levels if plan.expand != (1.0, 0.0) else None

    def make(self, image: Image, out: Sequence[Pixels]) -> None:
        """Make the levels of a frame; see `each`."""
        for _ in self.each(image, out):
            pass

    def each(self, image: Image, out: Sequence[Pixels]) -> Iterator[Pixels]:
        """Make the levels of a frame, one channel at a time.

        Args:
            image: as the plan's source.
            out: uint8[height, width] for R, G and B, which may be the same memory; rows may lie further apart than
                they are long.

        Yields:
            `out`, each as soon as it is made.

        Raises:
            ValueError: the frame is another than was planned for.
        """
        if image.spec != self._plan.source:
            raise ValueError(f"the frame is {image.spec}, planned was {self._plan.source}")
        match image:
            case Yuv420Image():
                yield from self._of_yuv(image, out)
            case RgbImage():
                yield from self._of_pixels(image, out)

    def _of_yuv(self, image: Yuv420Image, out: Sequence[Pixels]) -> Iterator[Pixels]:
        mix = self._mix
        assert mix is not None, "the plan's source has chroma"
        y, (u, v) = self._luma.plane(image.y, self._y), self._chroma.pair(image.u, image.v, (self._u, self._v))
        red, green, blue = out
        written(cv2.addWeighted(y, mix.luma, v, mix.red, mix.red_offset, red), red)
        yield red
        cv2.addWeighted(u, mix.green_blue, v, mix.green_red, mix.green_middle, self._green)
        written(cv2.addWeighted(y, mix.luma, self._green, mix.green, mix.green_offset, green), green)
        yield green
        written(cv2.addWeighted(y, mix.luma, u, mix.blue, mix.blue_offset, blue), blue)
        yield blue

    def _of_pixels(self, image: RgbImage, out: Sequence[Pixels]) -> Iterator[Pixels]:
        sampled = self._luma.pixels(image.pixels)
        order = {"BGR": (2, 1, 0), "GRAY": (0, 0, 0)}.get(image.order, (0, 1, 2))
        for channel, plane in zip(order, out, strict=True):
            if image.order == "GRAY":
                np.copyto(plane, sampled)
            else:
                written(cv2.extractChannel(sampled, channel, plane), plane)
            if self._expanded is not None:
                look_up(plane, self._expanded, plane)
            yield plane


def new_planes(plan: Conversion) -> list[Pixels]:
    """Room for the levels of R, G and B, in one piece."""
    return list(np.empty((3, plan.fit.height_px, plan.fit.width_px), np.uint8))


def grey_of(planes: Sequence[Pixels]) -> Pixels:
    """Grey levels of R, G and B: uint8[height, width], new.

    BT.601 weights, whatever the source's matrix: what data sets in grey are made with.
    """
    return np.asarray(cv2.cvtColor(cv2.merge(list(planes)), cv2.COLOR_RGB2GRAY), np.uint8)
