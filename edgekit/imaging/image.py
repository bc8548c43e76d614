"""Images that say what their numbers mean. No conversion starts from an image that does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.schema.source import Matrix, Range

Pixels: TypeAlias = npt.NDArray[np.uint8]
Siting = Literal["left", "centre", "top_left", "unknown"]
"""Where a chroma sample lies among its four luma samples. Source: ITU-T H.273 (2021), section 8.7."""
YuvFormat = Literal["I420", "NV12", "NV21", "YUYV", "I422"]
"""How samples lie in memory: three planes; luma and pairs of Cb and Cr, or of Cr and Cb; all in one plane; three planes
with chroma in every row. Source: GStreamer, video formats."""
PixelOrder = Literal["RGB", "BGR", "RGBA", "GRAY"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpec:
    """What every frame of a source is: known before the first one is decoded."""

    width_px: int
    height_px: int
    matrix: Matrix
    range: Range
    siting: Siting = "unknown"
    format: YuvFormat = "I420"

    @property
    def colours(self) -> str:
        """In words, for people: `BT.709 limited`."""
        return f"BT.{self.matrix} {self.range}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Yuv420Image:
    """A decoder's picture as three planes, 8 bit, 4:2:0, whatever its format: the planes are where its samples lie.

    Of formats with chroma in every row (4:2:2) every other row of it is taken. The planes are read-only views of the
    decoder's own memory where the decoder allows it; they keep that memory alive. Rows may lie further apart than they
    are long, and samples further apart than one byte: nothing need be contiguous.
    """

    y: Pixels
    """uint8[height, width]."""
    u: Pixels
    """uint8[(height + 1) // 2, (width + 1) // 2]: Cb."""
    v: Pixels
    """Cr, shaped as `u`."""
    spec: FrameSpec

    @property
    def width_px(self) -> int:
        """Width in luma samples."""
        return self.spec.width_px

    @property
    def height_px(self) -> int:
        """Height in luma samples."""
        return self.spec.height_px


@dataclass(frozen=True, slots=True, kw_only=True)
class RgbSpec:
    """What an image of pixels is."""

    width_px: int
    height_px: int
    order: PixelOrder
    range: Range = "full"

    @property
    def colours(self) -> str:
        """In words, for people."""
        return self.order if self.range == "full" else f"{self.order} {self.range}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RgbImage:
    """Pixels as they are shown, or grey ones. Alpha is no part of the picture: it is left out."""

    pixels: Pixels
    """uint8[height, width, 3 or 4], channels as `order` says; uint8[height, width] for GRAY."""
    order: PixelOrder
    range: Range = "full"

    @property
    def width_px(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def spec(self) -> RgbSpec:
        """Size and colours."""
        return RgbSpec(width_px=self.width_px, height_px=self.height_px, order=self.order, range=self.range)


def no_picture() -> RgbImage:
    """A small black one, of frames that have none: those of sound and numbers."""
    return RgbImage(pixels=np.zeros((16, 16, 3), np.uint8), order="BGR")


Image: TypeAlias = Yuv420Image | RgbImage
"""A decoder's picture, or pixels."""
ImageSpec: TypeAlias = FrameSpec | RgbSpec
"""What an image is, without its samples."""
