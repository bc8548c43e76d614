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


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpec:
    """What every frame of a source is: known before the first one is decoded."""

    width_px: int
    height_px: int
    matrix: Matrix
    range: Range
    siting: Siting = "unknown"

    @property
    def colours(self) -> str:
        """In words, for people: `BT.709 limited`."""
        return f"BT.{self.matrix} {self.range}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Yuv420Image:
    """A decoder's picture as three planes, 8 bit, 4:2:0.

    The planes are read-only views of the decoder's own memory where the decoder allows it; they keep that memory alive.
    Rows may lie further apart than they are long, so the planes need not be contiguous.
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
    """What an RGB image is."""

    width_px: int
    height_px: int
    order: Literal["RGB", "BGR"]

    @property
    def colours(self) -> str:
        """In words, for people."""
        return self.order


@dataclass(frozen=True, slots=True, kw_only=True)
class RgbImage:
    """Interleaved pixels, full range."""

    pixels: Pixels
    """uint8[height, width, 3], channels as `order` says."""
    order: Literal["RGB", "BGR"]

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
        """Size and order."""
        return RgbSpec(width_px=self.width_px, height_px=self.height_px, order=self.order)


Image: TypeAlias = Yuv420Image | RgbImage
