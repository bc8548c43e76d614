"""What a stream does without while memory is tight, and that it is as it was afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.easing import PRESSURE, Easing
from edgekit.imaging.halving import halve, halved_spec
from edgekit.imaging.image import FrameSpec, RgbImage, RgbSpec, Yuv420Image
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.frames import frame, stream_info

INFO = stream_info(spec=FrameSpec(width_px=64, height_px=32, matrix="709", range="limited"))


def picture(seed: int = 0) -> Yuv420Image:
    random = np.random.default_rng(seed)
    planes = [random.integers(0, 255, size, np.uint8) for size in ((32, 64), (16, 32), (16, 32))]
    return Yuv420Image(y=planes[0], u=planes[1], v=planes[2], spec=INFO.spec)  # type: ignore[arg-type]


def figures() -> LaneFigures:
    return LaneFigures("all/belt", Clock())


def eased(easing: Easing, entries: list[Entry], where: LaneFigures | None = None) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if not isinstance(entry, Frame):
            easing.note(entry)
        found += easing.ease(entry, where or figures()) if easing.active else [entry]
    return found


def frames(count: int, fps: float, begin_s: float = 0.0) -> list[Entry]:
    return [frame(number, captured_s=begin_s + number / fps, image=picture()) for number in range(count)]


@pytest.mark.parametrize(
    ("share", "usual", "expected"), [(0.5, 20.0, 10), (0.25, 20.0, 5), (0.0, 20.0, 1), (0.5, 1.0, 1)]
)
def test_a_share_of_the_rate_and_never_less_than_one_a_second(share: float, usual: float, expected: int) -> None:
    easing, where = Easing(name="all/belt"), figures()
    easing.keep_share(share, usual)
    passed = eased(easing, frames(int(usual * 10), usual), where)
    assert len(passed) == pytest.approx(expected * 10, abs=1)
    if expected < usual:
        assert where.drops == {("belt", "all/belt", PRESSURE): int(usual * 10) - len(passed)}
    easing.keep_share(None, usual)
    assert not easing.active and len(eased(easing, frames(20, usual))) == 20


def test_pictures_of_half_the_size_are_announced_before_the_first_one_and_after_the_last() -> None:
    easing = Easing(name="all/belt")
    found = eased(easing, [StreamStarted(info=INFO), *frames(1, 10)])
    easing.halve(wanted=True)
    found += eased(easing, frames(2, 10))
    easing.halve(wanted=False)
    found += eased(easing, frames(2, 10))
    kinds = [type(one).__name__ for one in found]
    assert kinds == ["StreamStarted", "Frame", "StreamRestarted", "Frame", "Frame", "StreamRestarted", "Frame", "Frame"]
    assert [one.image.width_px for one in found if isinstance(one, Frame)] == [64, 32, 32, 64, 64]
    smaller, whole = found[2], found[5]
    assert (smaller.again, smaller.info.scale, smaller.info.spec.width_px) == ("change", 2, 32)
    assert whole.info == INFO and not easing.active


def test_a_stream_that_restarts_meanwhile_says_its_half_size_itself() -> None:
    easing = Easing(name="all/belt")
    easing.halve(wanted=True)
    again = StreamRestarted(info=INFO, again="reconnect", reason="it is back")
    found = eased(easing, [StreamStarted(info=INFO), *frames(1, 10), again, *frames(1, 10)])
    assert [type(one).__name__ for one in found] == ["StreamStarted", "Frame", "StreamRestarted", "Frame"]
    assert found[0].info.scale == found[2].info.scale == 2 and found[2].again == "reconnect"


def test_a_stream_that_is_left_alone_gives_events_and_no_frames() -> None:
    easing = Easing(name="all/belt")
    easing.leave(alone=True)
    ended = StreamEnded(stream="belt", reason="over")
    assert eased(easing, [*frames(3, 10), ended]) == [ended]
    easing.leave(alone=False)
    assert len(eased(easing, frames(3, 10))) == 3


def test_half_a_picture_is_the_mean_of_four_pixels_in_its_own_memory() -> None:
    whole = picture(3)
    half = halve(whole)
    assert isinstance(half, Yuv420Image) and half.spec == halved_spec(whole.spec)
    blocks = whole.y.reshape(16, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(half.y - blocks).max() <= 0.5
    assert half.u.shape == half.v.shape == (8, 16) and not half.y.flags.writeable
    assert not np.shares_memory(half.y, whole.y)


@pytest.mark.parametrize("layout", ["NV12", "NV21", "YUYV", "I422"])
def test_of_any_layout_of_chroma(layout: Any) -> None:
    spec = FrameSpec(width_px=36, height_px=20, matrix="601", range="full", format=layout)
    pairs = np.arange(10 * 36, dtype=np.uint8).reshape(10, 36)
    y = np.arange(20 * 36, dtype=np.uint8).reshape(20, 36)
    half = halve(Yuv420Image(y=y, u=pairs[:, 0::2], v=pairs[:, 1::2], spec=spec))
    assert isinstance(half, Yuv420Image) and half.spec.format == "I420"
    assert (half.width_px, half.height_px, half.y.shape, half.u.shape) == (18, 10, (10, 18), (5, 9))
    assert abs(int(half.v[0, 0]) - np.mean([pairs[0, 1], pairs[0, 3], pairs[1, 1], pairs[1, 3]])) <= 20


@pytest.mark.parametrize("order", ["RGB", "RGBA", "GRAY"])
def test_of_pixels(order: Any) -> None:
    shape = (10, 18) if order == "GRAY" else (10, 18, len(order))
    half = halve(RgbImage(pixels=np.full(shape, 7, np.uint8), order=order))
    assert isinstance(half, RgbImage)
    assert half.spec == RgbSpec(width_px=8, height_px=4, order=order) and (half.pixels == 7).all()
