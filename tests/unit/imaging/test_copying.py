"""Pictures in memory of one's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.imaging.copying import copied_spec, copy_picture, lay_out, picture_bytes, planes_of
from edgekit.imaging.image import FrameSpec, Image, ImageSpec, PixelOrder, RgbImage, RgbSpec, Yuv420Image, YuvFormat

RANDOM = np.random.default_rng(3)


def padded(height: int, width: int) -> np.ndarray:
    """Rows that lie further apart than they are long, as a decoder's do."""
    return RANDOM.integers(0, 256, (height, width + 13), np.uint8)[:, :width]


def yuv(width: int, height: int, format_: YuvFormat = "I420") -> Yuv420Image:
    rows, columns = (height + 1) // 2, (width + 1) // 2
    spec = FrameSpec(width_px=width, height_px=height, matrix="709", range="limited", format=format_)
    if format_ in ("NV12", "NV21"):
        pairs = padded(rows, 2 * columns)
        first, second = pairs[:, 0::2], pairs[:, 1::2]
        u, v = (first, second) if format_ == "NV12" else (second, first)
        return Yuv420Image(y=padded(height, width), u=u, v=v, spec=spec)
    if format_ == "YUYV":
        lines = padded(height + height % 2, 4 * columns)
        return Yuv420Image(y=lines[:height, 0 : 2 * width : 2], u=lines[::2, 1::4], v=lines[::2, 3::4], spec=spec)
    return Yuv420Image(y=padded(height, width), u=padded(rows, columns), v=padded(rows, columns), spec=spec)


def pixels(order: PixelOrder, *channels: int) -> RgbImage:
    return RgbImage(pixels=RANDOM.integers(0, 256, (9, 7, *channels), np.uint8), order=order)


@pytest.mark.parametrize(
    "image",
    [
        *(yuv(33, 17, format_) for format_ in ("I420", "NV12", "NV21", "YUYV")),
        yuv(64, 32),
        pixels("BGR", 3),
        pixels("RGBA", 4),
        pixels("GRAY"),
    ],
)
def test_a_copy_is_the_same_picture_and_nobody_elses(image: Image) -> None:
    memory = np.zeros(picture_bytes(image.spec), np.uint8)
    for copied in (copy_picture(image), copy_picture(image, memory)):
        assert copied.spec == copied_spec(image.spec)
        assert colours(copied.spec) == colours(image.spec)
        for plane, original in zip(planes_of(copied), planes_of(image), strict=True):
            assert np.array_equal(plane, original)
            assert not plane.flags.writeable and not np.shares_memory(plane, original)
    assert memory.any() and all(np.shares_memory(plane, memory) for plane in planes_of(copied))


def colours(spec: ImageSpec) -> tuple[int, int, str]:
    return (spec.width_px, spec.height_px, spec.colours)


@pytest.mark.parametrize(("format_", "first"), [("NV12", 0), ("NV21", 1)])
def test_chroma_lies_in_pairs_where_it_lay_so(format_: YuvFormat, first: int) -> None:
    """Kernels take it so; and the copy is one pass, also of a picture whose chroma is elsewhere than it says."""
    image = yuv(16, 8, format_)
    copied = copy_picture(image)
    assert isinstance(copied, Yuv420Image) and copied.spec == image.spec
    apart = copied.v.ctypes.data - copied.u.ctypes.data
    assert copied.u.strides == (16, 2) and apart == (1 if first == 0 else -1)
    moved = copy_picture(replace(image, u=image.u.copy()))
    assert np.array_equal(planes_of(moved)[1], image.u) and np.array_equal(planes_of(moved)[2], image.v)


def test_planes_lie_beside_each_other() -> None:
    spec = FrameSpec(width_px=33, height_px=17, matrix="709", range="limited")
    memory = np.zeros(picture_bytes(spec), np.uint8)
    planes = planes_of(lay_out(spec, memory))
    for plane in planes:
        np.add(plane, 1, out=plane)
    assert memory.max() == 1, "none lies in another"
    assert memory.sum() == 33 * 17 + 2 * 17 * 9 and len(memory) % 64 == 0
    assert picture_bytes(RgbSpec(width_px=8, height_px=8, order="RGB")) == 192
