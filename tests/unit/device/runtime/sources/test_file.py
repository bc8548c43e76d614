"""A clip as a source, on a virtual clock: paced by its own timestamps, and late where the consumer is late."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamGap, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.file import ClipReader
from edgekit.device.runtime.sources.pace import Pace
from edgekit.errors import InputError
from edgekit.stage import Frame
from tests.fakes.clips import clip_source, damage, write_clip, write_head
from tests.fakes.clock import Clock

START_S = 1000.0


def reader(file: Path, clock: Clock, **more: object) -> ClipReader:
    source = clip_source(file, **more)
    return ClipReader("belt", source, file.parent, pace=Pace(source.pace, clock, clock.advance))


def play(
    source: ClipReader, clock: Clock, each: Callable[[Frame], None] = lambda _frame: None, most: int = 1000
) -> list[Entry]:
    seen = []
    for entry in islice(source.entries(LaneFigures("l", clock)), most):
        if isinstance(entry, Frame):
            each(entry)
        seen.append(entry)
    source.close()
    return seen


def times(entries: list[Entry]) -> list[float]:
    return [round(entry.captured_s - START_S, 3) for entry in entries if isinstance(entry, Frame)]


def test_a_clip_is_paced_by_its_own_timestamps(tmp_path: Path) -> None:
    file, clock, arrived = write_clip(tmp_path / "c.mkv", [0, 100, 150, 600]), Clock(), []
    seen = play(reader(file, clock), clock, lambda _frame: arrived.append(round(clock() - START_S, 3)))
    assert times(seen) == arrived == [0.0, 0.1, 0.15, 0.6]
    assert isinstance(seen[0], StreamStarted) and (seen[0].info.name, seen[0].info.fps) == ("belt", 10.0)
    assert seen[-1] == StreamEnded(stream="belt", reason="the clip was played 1 times")
    assert [entry.sequence for entry in seen if isinstance(entry, Frame)] == [0, 1, 2, 3]


def test_the_first_timestamp_need_not_be_zero(tmp_path: Path) -> None:
    file, clock = write_clip(tmp_path / "c.mkv", [5000, 5100]), Clock()
    assert times(play(reader(file, clock), clock)) == [0.0, 0.1]


def test_a_frame_is_as_old_as_a_camera_would_have_made_it(tmp_path: Path) -> None:
    """A consumer that takes half a second for each frame is 1.6 s behind after four: no frame hides that."""
    file, clock, late = write_clip(tmp_path / "c.mkv", [0, 100, 200, 300, 400]), Clock(), []

    def consume(frame: Frame) -> None:
        late.append(round(clock() - frame.captured_s, 3))
        clock.advance(0.5)

    assert times(play(reader(file, clock), clock, consume)) == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert late == [0.0, 0.4, 0.8, 1.2, 1.6]


def test_fast_takes_no_time_and_its_frames_are_new(tmp_path: Path) -> None:
    file, clock = write_clip(tmp_path / "c.mkv", [0, 100, 600]), Clock()
    seen = play(reader(file, clock, pace="fast"), clock, lambda _frame: clock.advance(3.0))
    assert times(seen) == [0.0, 3.0, 6.0]


def test_each_pass_is_a_restart_and_sequence_goes_on(tmp_path: Path) -> None:
    file, clock = write_clip(tmp_path / "c.mkv", [0, 100]), Clock()
    seen = play(reader(file, clock, loops=3), clock)
    kinds = [entry.sequence if isinstance(entry, Frame) else type(entry).__name__ for entry in seen]
    assert kinds == ["StreamStarted", 0, 1, "StreamRestarted", 2, 3, "StreamRestarted", 4, 5, "StreamEnded"]
    assert [entry.again for entry in seen if isinstance(entry, StreamRestarted)] == ["pass", "pass"]
    assert times(seen) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], "a pass begins where the one before would have gone on"


def test_a_clip_that_begins_again_has_no_frames_waiting_from_before(tmp_path: Path) -> None:
    file, clock = write_clip(tmp_path / "c.mkv", [0, 100]), Clock()
    seen = play(reader(file, clock, loops=2), clock, lambda _frame: clock.advance(10.0))
    assert times(seen) == [0.0, 0.1, 19.9, 20.0]


def test_it_goes_on_for_ever_until_it_is_stopped(tmp_path: Path) -> None:
    file, clock = write_clip(tmp_path / "c.mkv", [0, 100]), Clock()
    source = reader(file, clock, loops=0)

    def stop(frame: Frame) -> None:
        if frame.sequence == 100:
            source.stop()

    seen = play(source, clock, stop)
    assert [entry.sequence for entry in seen if isinstance(entry, Frame)] == list(range(101))
    assert not isinstance(seen[-1], StreamEnded), "it was stopped: nothing ended"


def test_one_that_is_stopped_while_it_waits_gives_no_frame_more(tmp_path: Path) -> None:
    file, clock = write_clip(tmp_path / "c.mkv", [0, 60_000]), Clock()
    made: list[ClipReader] = []

    def wait(seconds: float) -> None:
        if seconds:
            made[0].stop()

    made.append(ClipReader("belt", clip_source(file), tmp_path, pace=Pace("camera", clock, wait)))
    assert len(times(play(made[0], clock))) == 1


def test_damaged_packets_are_a_gap_of_so_many_frames(tmp_path: Path) -> None:
    file, clock = write_clip(tmp_path / "c.mkv", [0, 100, 200, 300, 400]), Clock()
    damage(file, [1, 2])
    seen = play(reader(file, clock), clock)
    kinds = [entry.sequence if isinstance(entry, Frame) else entry for entry in seen[1:-1]]
    assert kinds == [0, StreamGap(stream="belt", missing=2), 3, 4]
    assert times(seen) == [0.0, 0.3, 0.4]


def test_a_clip_without_a_picture_is_an_error_not_a_loop(tmp_path: Path) -> None:
    """A disk that loses it while it is played."""
    many = range(250)  # more than FFmpeg keeps in memory
    file, clock = write_clip(tmp_path / "c.mkv", [100 * number for number in many]), Clock()

    def lose(frame: Frame) -> None:
        if frame.sequence == many[-1]:
            damage(file, many)

    with pytest.raises(InputError, match=r"c\.mkv has no picture"):
        play(reader(file, clock, loops=0), clock, lose)
    with pytest.raises(InputError, match="no picture of it can be decoded"):
        reader(file, clock)


def test_decoding_is_work_and_waiting_is_not(tmp_path: Path) -> None:
    file, clock = write_clip(tmp_path / "c.mkv", [0, 1000, 2000]), Clock()
    source, figures = reader(file, clock), LaneFigures("l", clock)
    for _ in source.entries(figures):
        assert figures.call is None
    source.close()
    assert figures.busy_s == 0.0 and sum(figures.stages["decode"].buckets) >= 3


def test_what_cannot_be_played_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.mkv").write_text("no clip")
    with pytest.raises(InputError, match=r"source belt: c\.mkv cannot be played"):
        reader(tmp_path / "c.mkv", Clock())


def test_frames_that_no_camera_makes_are_not_decoded(tmp_path: Path) -> None:
    file = write_head(tmp_path / "c.mkv", 20_000, 10_001)
    assert file.stat().st_size < 1000
    with pytest.raises(InputError, match=r"c\.mkv has 20000x10001 pixels, and at most 200 million are read"):
        reader(file, Clock())
