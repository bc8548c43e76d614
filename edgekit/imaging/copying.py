"""Pictures in memory of one's own: how much they take, and how they lie there."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgekit.imaging.image import FrameSpec, Image, ImageSpec, Pixels, RgbImage, RgbSpec, Yuv420Image

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


def picture_bytes(spec: ImageSpec) -> int:
    """How much memory `lay_out` wants."""
    return sum(_aligned(math.prod(shape)) for shape in _shapes(copied_spec(spec)))


def copied_spec(spec: ImageSpec) -> ImageSpec:
    """What a copy is: chroma lies as it lay, but rows of it that nobody reads are left out."""
    if isinstance(spec, FrameSpec) and spec.format in ("YUYV", "I422"):
        return replace(spec, format="I420")
    return spec


def lay_out(spec: ImageSpec, memory: Pixels) -> Image:
    """A picture whose samples are whatever stands in the memory.

    Args:
        spec: what it is, as `copied_spec` gives it.
        memory: uint8[n], at least `picture_bytes`. The picture's planes are views of it.
    """
    parts, begin = list[Pixels](), 0
    for shape in _shapes(spec):
        size = math.prod(shape)
        parts.append(memory[begin : begin + size].reshape(shape))
        begin += _aligned(size)
    if isinstance(spec, RgbSpec):
        return RgbImage(pixels=parts[0], order=spec.order, range=spec.range)
    if len(parts) == 2:
        first, second = parts[1][:, :, 0], parts[1][:, :, 1]
        u, v = (first, second) if spec.format == "NV12" else (second, first)
        return Yuv420Image(y=parts[0], u=u, v=v, spec=spec)
    y, u, v = parts
    return Yuv420Image(y=y, u=u, v=v, spec=spec)


def copy_picture(image: Image, memory: Pixels | None = None) -> Image:
    """The same picture in other memory, read-only.

    Args:
        image: of any layout; its rows may lie apart.
        memory: see `lay_out`; None: new memory.
    """
    spec = copied_spec(image.spec)
    copied = lay_out(spec, np.empty(picture_bytes(spec), np.uint8) if memory is None else memory)
    copy_planes(image, copied)
    for plane in planes_of(copied):
        plane.flags.writeable = False
    return copied


def copy_planes(image: Image, into: Image) -> None:
    """Copy a picture's samples into another one's memory, whatever the layout of either.

    Args:
        image: read only during the call.
        into: of the same size, and of the same kind: pixels of the same order, or Y'CbCr.
    """
    to_parts, parts = _parts(into), _parts(image)
    if len(to_parts) != len(parts) or into.spec != image.spec:  # chroma lies elsewhere, or in another order
        to_parts, parts = planes_of(into), planes_of(image)
    for to, part in zip(to_parts, parts, strict=True):
        np.copyto(to, part)  # lets go of the interpreter's lock


def _parts(image: Image) -> tuple[Pixels, ...]:
    """Its planes; both chromas at once where they lie in pairs: one pass over memory instead of two."""
    if isinstance(image, Yuv420Image) and image.spec.format in ("NV12", "NV21"):
        first, second = (image.u, image.v) if image.spec.format == "NV12" else (image.v, image.u)
        if first.strides[1] == 2 and second.ctypes.data == first.ctypes.data + 1:
            shape, strides = (*first.shape, 2), (first.strides[0], 2, 1)
            return image.y, np.lib.stride_tricks.as_strided(first, shape, strides)
    return planes_of(image)


def _shapes(spec: ImageSpec) -> Shapes:
    height, width = spec.height_px, spec.width_px
    if isinstance(spec, RgbSpec):
        return ((height, width) if spec.order == "GRAY" else (height, width, 4 if spec.order == "RGBA" else 3),)
    half = ((height + 1) // 2, (width + 1) // 2)
    return ((height, width), (*half, 2)) if spec.format in ("NV12", "NV21") else ((height, width), half, half)


def _aligned(size: int) -> int:
    return -(-size // _ALIGN_BYTES) * _ALIGN_BYTES
