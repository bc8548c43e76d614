"""A clip that stands in for a camera is decoded when its pictures are due, and not before."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import StreamStarted
from edgekit.device.runtime.profiling.as_camera import PacedClip, StandInCameras
from edgekit.device.runtime.profiling.played import between_keys
from edgekit.host.forecast.clip import make_clip
from edgekit.schema.profile import MAX_RHYTHM
from edgekit.schema.source import FileSource
from edgekit.stage import Frame
from tests.fakes.clock import Clock


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("clip") / "clip.mp4"
    file.write_bytes(make_clip((), (160, 96), 20.0).content)
    return file


def test_packets_come_when_they_are_due_and_over_and_over(clip: Path) -> None:
    clock = Clock()
    paced = PacedClip(av.open(str(clip)), clock, clock.advance)
    stream = paced.streams.video[0]
    length, began_s = stream.frames, clock()
    came_s = [clock() - began_s for _ in islice(paced.demux(stream), 2 * length + 1)]
    assert came_s == pytest.approx([k / 20 for k in range(2 * length + 1)], abs=0.001)
    assert paced.keys[0] == 0 and {length, 2 * length} <= set(paced.keys), "each pass begins with a key picture"
    assert len(paced.keys) < length
    paced.close()


def test_a_slow_one_falls_behind_from_when_it_was_told_to_begin(clip: Path) -> None:
    clock = Clock()
    began_s = clock()
    clock.advance(0.02)  # opening it took so long
    paced = PacedClip(av.open(str(clip)), clock, clock.advance, began_s=began_s, slow=0.01)
    stream = paced.streams.video[0]
    came_s = [clock() - began_s for _ in islice(paced.demux(stream), 2 * stream.frames)]
    assert came_s[0] == pytest.approx(0.02, abs=0.001), "late, and its next one is in time"
    assert came_s[1:] == pytest.approx([k / 20 * 1.01 for k in range(1, 2 * stream.frames)], abs=0.001)
    paced.close()


def test_those_of_one_run_begin_at_once_however_long_opening_takes_and_drift_apart(clip: Path) -> None:
    clock = Clock()
    cameras, source = StandInCameras(0.1, clock, clock.advance), FileSource(kind="file", path=clip.name, lane="all")
    began_s, came_s = clock(), dict[str, list[float]]()
    for name in ("north", "north+1"):
        camera = cameras.open(name, source, clip.parent)
        entries = camera.entries(LaneFigures("camera", clock))
        some = islice((one for one in entries if isinstance(one, Frame)), 6)
        came_s[name] = [clock() - began_s for _ in some]
        camera.stop()
        entries.close()  # type: ignore[attr-defined]
    assert came_s["north"] == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2, 0.25], abs=0.001)
    assert came_s["north+1"] == pytest.approx([0.25, 0.25, 0.25, 0.25, 0.25, 0.275], abs=0.001), (
        "in time with the first"
    )


def test_it_is_a_live_stream_that_does_not_end(clip: Path) -> None:
    cameras = StandInCameras()
    camera = cameras.open("north", FileSource(kind="file", path=clip.name, lane="all"), clip.parent)
    assert camera.live
    entries = camera.entries(LaneFigures("camera", Clock()))
    first, *frames = islice(entries, 4)
    assert isinstance(first, StreamStarted) and (first.info.fps, first.info.codec) == (20.0, "h264")
    assert [one.sequence for one in frames if isinstance(one, Frame)] == [0, 1, 2]
    assert cameras.clips["north"].keys == [0]
    camera.stop()
    entries.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ((0, 4, 8, 12), (2.0, 3.0, 4.0, 5.0)),  # the first one that was measured is number 2
        ((4,), (2.0, 3.0, 4.0, 5.0, 6.0, 7.0)),
        ((), (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)),
    ],
)
def test_a_rhythm_goes_from_one_key_picture_to_another(keys: tuple[int, ...], kept: tuple[float, ...]) -> None:
    assert between_keys([k / 1000 for k in range(8)], 2, keys) == kept


def test_a_rhythm_is_bounded() -> None:
    taken = [0.001] * 2000
    assert len(between_keys(taken, 0, tuple(range(0, 2000, 250)))) == 500, "whole groups, as many as are kept"
    assert len(between_keys(taken, 0, (0,))) == MAX_RHYTHM
