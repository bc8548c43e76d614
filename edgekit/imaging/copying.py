"""Pictures in memory of one's own: how much they take, and how they lie there."""

from __future__ import annotations

import math

import numpy as np

from edgekit.imaging.image import FrameSpec, Image, Pixels, RgbImage, RgbSpec, Yuv420Image

_ALIGN_BYTES = 64
"""Planes begin on a cache line."""

Shapes = tuple[tuple[int, ...], ...]


def planes_of(image: Image) -> tuple[Pixels, ...]:
    """The arrays that hold its samples."""
    match image:
        case Yuv420Image():
            return (image.y, image.u, image.v)
        case RgbImage():
            return (image.pixels,)


def picture_bytes(spec: FrameSpec | RgbSpec) -> int:
    """How much memory `lay_out` wants."""
    return sum(_aligned(math.prod(shape)) for shape in _shapes(spec))


def lay_out(spec: FrameSpec | RgbSpec, memory: Pixels) -> Image:
    """A picture whose samples are whatever stands in the memory.

    Args:
        spec: what it is.
        memory: uint8[n], at least `picture_bytes`. The picture's planes are views of it.
    """
    planes, begin = list[Pixels](), 0
    for shape in _shapes(spec):
        size = math.prod(shape)
        planes.append(memory[begin : begin + size].reshape(shape))
        begin += _aligned(size)
    if isinstance(spec, RgbSpec):
        return RgbImage(pixels=planes[0], order=spec.order)
    y, u, v = planes
    return Yuv420Image(y=y, u=u, v=v, spec=spec)


def copy_picture(image: Image, memory: Pixels | None = None) -> Image:
    """The same picture in other memory, read-only.

    Args:
        image: of any layout; its rows may lie apart.
        memory: see `lay_out`; None: new memory.
    """
    copied = lay_out(image.spec, np.empty(picture_bytes(image.spec), np.uint8) if memory is None else memory)
    for to, plane in zip(planes_of(copied), planes_of(image), strict=True):
        np.copyto(to, plane)  # lets go of the interpreter's lock
        to.flags.writeable = False
    return copied


def _shapes(spec: FrameSpec | RgbSpec) -> Shapes:
    if isinstance(spec, RgbSpec):
        return ((spec.height_px, spec.width_px, 3),)
    half = ((spec.height_px + 1) // 2, (spec.width_px + 1) // 2)
    return ((spec.height_px, spec.width_px), half, half)


def _aligned(size: int) -> int:
    return -(-size // _ALIGN_BYTES) * _ALIGN_BYTES
