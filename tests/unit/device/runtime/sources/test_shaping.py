"""What a recipe asks of any stream: at most so many frames a second, a part of the picture, drops that are counted."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamLost, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.shaping import RateLimit, Shaped
from edgekit.errors import InputError
from edgekit.imaging.cutting import cut
from edgekit.imaging.image import FrameSpec, RgbImage, Yuv420Image
from edgekit.schema.source import FileSource, Roi
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.frames import SPEC, frame, stream_info
from tests.fakes.pipelines import FakeSource

ROI = Roi(left_px=4, top_px=2, width_px=32, height_px=16)


def shaped(source: FakeSource, **options: object) -> Shaped:
    return Shaped(source, FileSource(kind="file", path="c", lane="l", **options))  # type: ignore[arg-type]


def passed(limit: RateLimit, times: Iterable[float]) -> list[float]:
    return [at_s for at_s in times if limit.admits(at_s)]


def test_a_third_of_the_frames_is_a_third_however_unevenly_they_come() -> None:
    random = np.random.default_rng(1)
    times = [number / 30 + float(random.uniform(-0.01, 0.01)) for number in range(900)]
    found = passed(RateLimit(10.0), times)
    assert abs(len(found) - 300) <= 2
    gaps = np.diff(found)
    assert gaps.min() > 0.05 and gaps.max() < 0.15, "and they are spread evenly"


def test_a_rate_above_the_cameras_takes_every_frame() -> None:
    times = [number / 25 for number in range(100)]
    assert passed(RateLimit(25.0), times) == passed(RateLimit(60.0), times) == times


def test_a_rate_between_two_is_kept_over_time() -> None:
    assert len(passed(RateLimit(20.0), [number / 30 for number in range(3000)])) == pytest.approx(2000, abs=2)


@pytest.mark.parametrize("camera_fps", [5, 12, 20, 25, 60])
def test_one_frame_a_second_is_one_however_many_the_camera_gives(camera_fps: int) -> None:
    """A frame that is early leaves more than a period to the next one's time: that is no jump of the clock."""
    found = passed(RateLimit(1.0), [number / camera_fps for number in range(camera_fps * 100)])
    assert len(found) == pytest.approx(100, abs=1) and np.diff(found).min() > 0.85


def test_after_a_pause_nothing_is_caught_up() -> None:
    limit = RateLimit(2.0)
    found = passed(limit, [0.0, 0.1, 0.6, 60.0, 60.1, 60.2, 60.5, 59.0, 59.1])
    assert found == [0.0, 0.6, 60.0, 60.5, 59.0], "a clock that is put back begins anew"


def test_what_is_dropped_is_counted_by_stream_place_and_cause() -> None:
    entries = [frame(number, "a", captured_s=number / 10) for number in range(10)]
    figures = LaneFigures("camera/a", Clock())
    seen = list(shaped(FakeSource("a", entries=entries), max_fps=5.0).entries(figures))
    assert [entry.sequence for entry in seen if isinstance(entry, Frame)] == [0, 2, 4, 6, 8]
    assert figures.drops == {("a", "camera/a", "max_fps"): 5}


def test_a_frame_that_is_dropped_does_not_live_on_while_the_next_one_is_decoded() -> None:
    alive: list[weakref.ref[np.ndarray[Any, Any]]] = []

    class Camera(FakeSource):
        def entries(self, figures: LaneFigures) -> Iterator[Entry]:
            for number in range(10):
                assert not [one for one in alive if one() is not None], number
                entry, pixels = frame(number, "a", captured_s=number / 10), np.zeros((16, 16, 3), np.uint8)
                alive.append(weakref.ref(pixels))
                entry.image = RgbImage(pixels=pixels, order="BGR")
                del pixels
                yield entry
                del entry

    for entry in shaped(Camera("a"), max_fps=5.0).entries(LaneFigures("camera/a", Clock())):
        del entry
    assert len(alive) == 10


def test_a_part_of_the_picture_is_a_view_of_it() -> None:
    y, u, v = (
        np.arange(h * w, dtype=np.uint16).astype(np.uint8).reshape(h, w) for h, w in ((40, 64), (20, 32), (20, 32))
    )
    spec = FrameSpec(width_px=64, height_px=40, matrix="601", range="full")
    found = cut(Yuv420Image(y=y, u=u, v=v, spec=spec), ROI)
    assert isinstance(found, Yuv420Image)
    assert (found.spec, found.width_px, found.height_px) == (replace(spec, width_px=32, height_px=16), 32, 16)
    assert np.array_equal(found.y, y[2:18, 4:36]) and np.shares_memory(found.y, y)
    assert np.array_equal(found.u, u[1:9, 2:18]) and np.array_equal(found.v, v[1:9, 2:18])
    pixels = np.zeros((40, 64, 3), np.uint8)
    rgb = cut(RgbImage(pixels=pixels, order="BGR"), ROI)
    assert isinstance(rgb, RgbImage) and rgb.pixels.shape == (16, 32, 3) and np.shares_memory(rgb.pixels, pixels)


def test_the_stream_says_where_its_part_lies_also_after_a_restart() -> None:
    restarted = StreamRestarted(info=stream_info("a", fps=5.0), again="reconnect", reason="")
    source = shaped(FakeSource("a", entries=[restarted]), roi=ROI)
    seen: list[Entry] = list(source.entries(LaneFigures("l", Clock())))
    infos = [entry.info for entry in seen if isinstance(entry, StreamStarted | StreamRestarted)]
    assert [(info.left_px, info.top_px, info.spec.width_px, info.spec.height_px) for info in infos] == [
        (4, 2, 32, 16)
    ] * 2
    assert source.info == infos[1] and source.info.fps == 5.0


def test_a_picture_that_is_too_small_is_named() -> None:
    with pytest.raises(InputError, match="source a: its picture is 640x360, and roi asks for 640x360 at 2,0") as caught:
        shaped(FakeSource("a"), roi=Roi(left_px=2, width_px=640, height_px=360))
    assert caught.value.hint == "choose a part of the picture in pipeline.sources.a.roi"
    shaped(FakeSource("a"), roi=Roi(width_px=640, height_px=360))


def test_a_camera_that_gives_too_small_a_picture_is_lost_until_it_gives_another() -> None:
    """Somebody turned its resolution down: no reason to end its stream for good."""
    small = replace(SPEC, width_px=16)
    again = StreamRestarted(info=stream_info("a"), again="reconnect", reason="")
    entries = [StreamStarted(info=stream_info("a", spec=small)), frame(0, "a"), again]
    camera = FakeSource("a", entries=entries)
    camera.info, camera.live = None, True
    figures, source = LaneFigures("camera/a", Clock()), shaped(camera, roi=ROI)
    lost, restarted, *_ = source.entries(figures)
    assert isinstance(lost, StreamLost) and (lost.state, lost.reason) == (
        "down",
        "source a: its picture is 16x360, and roi asks for 32x16 at 4,2",
    )
    assert isinstance(restarted, StreamRestarted) and restarted.info == source.info
    assert figures.drops == {("a", "camera/a", "roi"): 1}
