"""Pictures in memory of one's own."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.imaging.copying import copy_picture, lay_out, picture_bytes, planes_of
from edgekit.imaging.image import FrameSpec, Image, RgbImage, RgbSpec, Yuv420Image

RANDOM = np.random.default_rng(3)


def padded(height: int, width: int) -> np.ndarray:
    """Rows that lie further apart than they are long, as a decoder's do."""
    return RANDOM.integers(0, 256, (height, width + 13), np.uint8)[:, :width]


def yuv(width: int, height: int) -> Yuv420Image:
    half = ((height + 1) // 2, (width + 1) // 2)
    spec = FrameSpec(width_px=width, height_px=height, matrix="709", range="limited")
    return Yuv420Image(y=padded(height, width), u=padded(*half), v=padded(*half), spec=spec)


@pytest.mark.parametrize(
    "image", [yuv(64, 32), yuv(33, 17), RgbImage(pixels=RANDOM.integers(0, 256, (9, 7, 3), np.uint8), order="BGR")]
)
def test_a_copy_is_the_same_picture_and_nobody_elses(image: Image) -> None:
    memory = np.zeros(picture_bytes(image.spec), np.uint8)
    for copied in (copy_picture(image), copy_picture(image, memory)):
        assert copied.spec == image.spec
        for plane, original in zip(planes_of(copied), planes_of(image), strict=True):
            assert np.array_equal(plane, original)
            assert not plane.flags.writeable and not np.shares_memory(plane, original)
    assert memory.any() and all(np.shares_memory(plane, memory) for plane in planes_of(copied))


def test_planes_lie_beside_each_other() -> None:
    spec = FrameSpec(width_px=33, height_px=17, matrix="709", range="limited")
    memory = np.zeros(picture_bytes(spec), np.uint8)
    planes = planes_of(lay_out(spec, memory))
    for plane in planes:
        np.add(plane, 1, out=plane)
    assert memory.max() == 1, "none lies in another"
    assert memory.sum() == 33 * 17 + 2 * 17 * 9 and len(memory) % 64 == 0
    assert picture_bytes(RgbSpec(width_px=8, height_px=8, order="RGB")) == 192
