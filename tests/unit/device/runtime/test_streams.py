"""What a worker measures of its streams, on a virtual clock."""

from __future__ import annotations

import sys
import threading

import pytest

from edgekit.device.runtime.frames.stream import StreamEnded, StreamLost, StreamRestarted, StreamStarted
from edgekit.device.runtime.streams import PipelineFigures, StreamFigures, Window, quantile, window_of
from tests.fakes.clock import Clock
from tests.fakes.frames import frame, stream_info


def figures(clock: Clock, *streams: str) -> PipelineFigures:
    made = PipelineFigures(clock)
    for name in streams or ("belt",):
        made.add(name, stream_info(name))
        made.streams[name].turn("live")
    return made


def arrive(made: PipelineFigures, sequence: int, latency_s: float = 0.0, stream: str = "belt", **counts: int) -> None:
    captured_s = made._clock() - latency_s
    made.arrive(frame(sequence, stream, captured_s=captured_s, counts=dict(counts)))


def test_the_99th_percentile_is_not_the_median() -> None:
    clock = Clock()
    made = figures(clock)
    clock.advance(1.0)
    for number in range(100):
        arrive(made, number, (number + 1) / 1000)
    window = made.window()
    assert (window.fps, round(window.p50_ms), round(window.p99_ms)) == (100.0, 50, 99)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.75, 3), (0.99, 4), (1.0, 4)])
def test_a_quantile_is_the_smallest_that_so_many_do_not_exceed(share: float, value: int) -> None:
    assert quantile([1, 2, 3, 4], share) == value
    assert quantile([7], share) == 7


def test_rate_and_latency_are_of_the_last_seconds_alone() -> None:
    """Slow for a minute, then fast: after five seconds nothing is left of the minute."""
    clock = Clock()
    made = figures(clock)
    for number in range(60):
        clock.advance(1.0)
        arrive(made, number, 2.0)
    for number in range(60, 120):
        clock.advance(0.1)
        arrive(made, number, 0.01)
    window = made.window()
    assert window.fps == pytest.approx(10.0, abs=0.21)
    assert window.p99_ms == pytest.approx(10.0)
    assert made.frames == 120
    clock.advance(60.0)
    assert made.window() == Window(fps=0.0, p50_ms=0.0, p99_ms=0.0)


def test_soon_after_the_start_the_rate_is_over_the_time_that_has_passed() -> None:
    clock = Clock()
    made = figures(clock)
    for number in range(10):
        clock.advance(0.1)
        arrive(made, number)
    assert made.window().fps == pytest.approx(10.0)


def test_more_frames_than_the_window_holds_are_still_a_rate() -> None:
    clock = Clock()
    made = figures(clock)
    for number in range(12_000):
        clock.advance(0.0004)
        arrive(made, number)
    assert made.window().fps == pytest.approx(2500, rel=0.01)


def test_of_several_sinks_the_first_one_counts() -> None:
    clock = Clock()
    made = figures(clock)
    clock.advance(1.0)
    for sequence in (0, 1, 0, 1, 2):
        arrive(made, sequence)
    assert made.frames == 3 and sum(made.streams["belt"].latency.buckets) == 3
    assert made.window().fps == 3.0


def test_errors_are_a_ratio_of_the_last_minute() -> None:
    """Neither can one bad frame in a week end an application, nor a good week hide an hour of errors."""
    clock = Clock()
    made = figures(clock)
    for number in range(3600):
        clock.advance(1.0)
        arrive(made, number)
    assert made.error_ratio() == 0.0
    for _ in range(30):
        clock.advance(1.0)
        made.streams["belt"].fail()
    assert made.error_ratio() == pytest.approx(0.5, abs=0.02)
    for _ in range(30):
        clock.advance(1.0)
        made.streams["belt"].fail()
    assert made.error_ratio() == 1.0
    clock.advance(60.0)
    assert made.error_ratio() == 0.0
    assert (made.errors, made.frames) == (60, 3600)


def test_many_frames_in_one_second_are_counted_all() -> None:
    clock = Clock(10.0)
    made = figures(clock)
    for number in range(3):
        arrive(made, number)
    made.streams["belt"].fail()
    assert made.error_ratio() == 0.25


def test_idle_is_since_the_last_frame_of_any_stream() -> None:
    clock = Clock()
    made = figures(clock, "a", "b")
    clock.advance(3.0)
    assert made.idle_s(()) == 3.0
    arrive(made, 0, stream="a")
    clock.advance(2.0)
    assert made.idle_s(()) == 2.0


def test_a_camera_that_is_away_makes_nobody_idle() -> None:
    """The keeper ends a worker that is idle, and a new one could not bring the camera back either."""
    clock = Clock()
    made = figures(clock, "a", "b")
    arrive(made, 0, stream="a")
    made.streams["b"].turn("ended")
    clock.advance(4.0)
    made.streams["a"].turn("down", "no route")
    assert (made.idle_s(("a", "b")), made.idle_s(("a",))) == (4.0, 0.0), "b's last frames are on their way, or not"
    clock.advance(60.0)
    made.streams["a"].note(StreamRestarted(info=stream_info("a"), again="reconnect", reason="back"))
    clock.advance(1.0)
    assert made.idle_s(()) == 1.0, "nothing could come before"


def test_what_a_source_gives_is_noted() -> None:
    clock = Clock()
    stream = StreamFigures("belt", clock, most_fps=4.0)
    assert (stream.state, stream.info, stream.wanted_fps) == ("connecting", None, 4.0)
    seen = []
    for entry in (
        StreamStarted(info=stream_info()),
        StreamLost(stream="belt", state="stalled", reason="no packet for 5 s"),
        StreamLost(stream="belt", state="stalled", reason="no packet for 5 s, again"),
        StreamLost(stream="belt", state="down", reason="refused"),
        StreamRestarted(info=stream_info(fps=2.0), again="reconnect", reason="back"),
        StreamRestarted(info=stream_info(fps=2.0), again="pass", reason="again"),
        StreamEnded(stream="belt", reason="over"),
    ):
        clock.advance(1.0)
        stream.note(entry)
        seen.append((stream.state, stream.since_s - 1000.0, stream.message))
    assert seen == [
        ("live", 1.0, ""),
        ("stalled", 2.0, "no packet for 5 s"),
        ("stalled", 2.0, "no packet for 5 s, again"),
        ("down", 4.0, "refused"),
        ("live", 5.0, ""),
        ("live", 5.0, ""),
        ("ended", 7.0, "over"),
    ]
    assert (stream.reconnects, stream.passes, stream.wanted_fps) == (1, 1, 2.0)


def test_streams_are_added_up() -> None:
    clock = Clock()
    made = figures(clock, "a", "b")
    clock.advance(1.0)
    for number in range(3):
        arrive(made, number, 0.002, "a", red=number)
    for number in range(5):
        arrive(made, number, 0.004, "b", red=1, blue=2)
    made.scores.update(one={"passes": 1.0, "wrong": 2.0}, other={"passes": 2.0})
    assert made.counts == {"red": 3, "blue": 2}
    assert made.score == {"passes": 3.0, "wrong": 2.0}
    window = made.window()
    assert (window.fps, round(window.p50_ms), made.frames) == (8.0, 4, 8)
    alone = window_of([made.streams["a"].recent()])
    assert (alone.fps, round(alone.p99_ms)) == (3.0, 2)


def test_the_error_ratio_can_be_read_while_a_lane_counts() -> None:
    """A report is made at any moment; an error there would end all reports, and the keeper the worker."""
    clock, stop = Clock(), threading.Event()
    made = figures(clock)
    for _ in range(60):
        clock.advance(1.0)
        made.streams["belt"].fail()

    def write() -> None:
        while not stop.is_set():
            made.streams["belt"].fail()

    thread, interval_s = threading.Thread(target=write), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        for _ in range(1000):
            assert made.error_ratio() == 1.0
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval_s)


def test_a_state_has_a_beginning_and_a_reason() -> None:
    clock = Clock()
    stream = StreamFigures("belt", clock)
    assert (stream.state, stream.since_s) == ("connecting", 1000.0)
    clock.advance(5.0)
    stream.turn("failed", "gone")
    assert (stream.state, stream.since_s, stream.message) == ("failed", 1005.0, "gone")
