"""Memory of pictures that outlive their frames: within its budget, never written over, given back after a burst."""

from __future__ import annotations

import mmap
import threading
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runtime.frames.pool import IDLE_S, PicturePool
from edgekit.errors import PicturesFull
from edgekit.imaging.copying import planes_of
from edgekit.imaging.image import Image, RgbImage, RgbSpec, Yuv420Image
from tests.fakes.clock import Clock
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.frames import SPEC

SMALL = RgbSpec(width_px=64, height_px=64, order="RGB")
LARGE = RgbSpec(width_px=640, height_px=480, order="RGB")
SMALL_BYTES, LARGE_BYTES = 12288, 921600


def numbered(number: int, spec: RgbSpec = SMALL) -> RgbImage:
    return RgbImage(pixels=np.full((spec.height_px, spec.width_px, 3), number, np.uint8), order=spec.order)


def number_of(image: Image) -> int:
    """The number that every sample of a picture has."""
    planes = planes_of(image)
    assert all(plane.min() == plane.max() == planes[0].flat[0] for plane in planes), "torn"
    return int(planes[0].flat[0])


def test_memory_is_used_again_when_nobody_looks_at_it() -> None:
    pool = PicturePool(4 * SMALL_BYTES)
    one, other = pool.copy(numbered(1), "a"), pool.copy(numbered(2), "a")
    assert (number_of(one), number_of(other), pool.lent, pool.bytes) == (1, 2, 2, 2 * SMALL_BYTES)
    place = planes_of(one)[0].ctypes.data
    del one
    again = pool.copy(numbered(3), "a")
    assert planes_of(again)[0].ctypes.data == place and pool.bytes == 2 * SMALL_BYTES
    assert number_of(other) == 2 and pool.figures.copies == 3


def test_a_part_of_a_picture_keeps_all_of_it() -> None:
    pool = PicturePool(4 * SMALL_BYTES)
    part = planes_of(pool.copy(numbered(1), "a"))[0][10:20, ::2, 1]
    assert pool.lent == 1
    pool.copy(numbered(2), "a")
    assert part.min() == part.max() == 1
    del part
    assert pool.lent == 0


def test_planes_of_a_decoders_layout_are_copied_too() -> None:
    pool = PicturePool(1 << 20)
    image = pool.picture(SPEC, "a")
    assert isinstance(image, Yuv420Image) and image.y.shape == (360, 640) and image.y.flags.writeable
    image.y.fill(7), image.u.fill(7), image.v.fill(7)
    copied = pool.copy(image, "a")
    assert number_of(copied) == 7 and not planes_of(copied)[0].flags.writeable


def test_a_full_budget_is_an_error_that_names_who_holds_what() -> None:
    pool = PicturePool(2 * SMALL_BYTES)
    held = [pool.copy(numbered(1), "stage clip"), pool.copy(numbered(2), "sink view")]
    with pytest.raises(PicturesFull, match=r"no room .* 1 by sink view, 1 by stage clip") as caught:
        pool.copy(numbered(3), "stage clip")
    assert "pictures_max" in caught.value.hint and pool.figures.refused == 1
    held.clear()
    assert number_of(pool.copy(numbered(4), "stage clip")) == 4, "as the hint says"


def test_idle_memory_makes_room_for_another_size() -> None:
    pool = PicturePool(LARGE_BYTES + SMALL_BYTES)
    for number in range(2):
        held = [pool.copy(numbered(number), "a"), pool.copy(numbered(number, LARGE), "a")]
        assert [number_of(image) for image in held] == [number, number]
        held.clear()
    kept = [pool.copy(numbered(5), "a") for _ in range(2)]
    assert pool.bytes == 2 * SMALL_BYTES and [number_of(image) for image in kept] == [5, 5]


def test_a_burst_of_large_pictures_leaves_nothing_behind() -> None:
    clock = Clock()
    pool = PicturePool(1 << 30, clock)
    steady = pool.copy(numbered(1), "a")
    burst = [pool.copy(numbered(2, LARGE), "a") for _ in range(20)]
    assert pool.bytes == 20 * LARGE_BYTES + SMALL_BYTES
    resident = rss_bytes()
    burst.clear()
    pool.trim()
    assert pool.bytes > 20 * LARGE_BYTES, "it may go on"
    clock.advance(IDLE_S - 1)
    pool.copy(numbered(3, LARGE), "a")
    clock.advance(2)
    pool.trim()
    assert pool.bytes == LARGE_BYTES + SMALL_BYTES, "the one that was used since"
    clock.advance(IDLE_S)
    pool.trim()
    assert pool.bytes == SMALL_BYTES and number_of(steady) == 1
    assert rss_bytes() < resident - 15 * LARGE_BYTES, "the system has it back"


def rss_bytes() -> int:
    """Source: proc_pid_statm(5)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_threads_share_it() -> None:
    pool, wrong = PicturePool(64 * SMALL_BYTES), list[int]()

    def work(number: int) -> None:
        for _ in range(300):
            image = pool.copy(numbered(number), "a")
            if number_of(image) != number:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert wrong == [] and pool.lent == 0 and pool.bytes <= 8 * SMALL_BYTES
