"""A pipeline as a graph, without threads: many sources, sinks that fail alone, counts that are right by stream."""

from __future__ import annotations

import dataclasses
import threading

import pytest

from edgekit.device.runtime.frames.stream import StreamGap, StreamRestarted
from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.schedule.queues import LaneQueues
from edgekit.schema.plan import PictureCosts
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.frames import frame, stream_info
from tests.fakes.pipelines import FakeFactory, FakeSink, FakeSource, fake_pipeline, play, turn


def drop_second(frame: Frame) -> Frame | None:
    return None if frame.sequence == 1 else frame


def test_streams_fan_in_and_sinks_fan_out() -> None:
    one, other = FakeSink(), FakeSink()
    factory = FakeFactory({"work": lambda frame: frame}, ["a", "b"], {"disk": "disk", "net": "net"})
    sources = [FakeSource("a", 2), FakeSource("b", 3)]
    pipeline = fake_pipeline(sources, {"disk": one, "net": other}, factory=factory)
    assert factory.made == [("work", "a"), ("work", "b")], "before anything starts"
    assert not pipeline.ended
    play(pipeline)
    for stream, count in (("a", 2), ("b", 3)):
        mine = [text for text in one.seen if text.startswith(stream)]
        assert mine == [f"{stream} started", *(f"{stream}{number}" for number in range(count)), f"{stream} ended"]
    assert sorted(one.seen) == sorted(other.seen)
    streams = pipeline.figures.streams
    assert {name: (stream.frames, stream.state) for name, stream in streams.items()} == {
        "a": (2, "ended"),
        "b": (3, "ended"),
    }
    assert pipeline.ended and pipeline.failure is None and pipeline.drops() == {}


def test_nobody_is_idle_once_everything_went_through() -> None:
    clock = Clock()
    pipeline = fake_pipeline([FakeSource("a", 1), FakeSource("b", 1)], {"out": FakeSink()}, clock=clock)
    pipeline.feeds[0].play()
    clock.advance(3.0)
    assert pipeline.idle_s() == 3.0
    turn(pipeline)
    assert pipeline.idle_s() == 0.0
    clock.advance(2.0)
    assert pipeline.idle_s() == 0.0, "b has not begun"
    pipeline.feeds[1].play()
    clock.advance(2.0)
    assert pipeline.idle_s() == 2.0, "its source has ended, and its frame is on its way"
    turn(pipeline)
    clock.advance(9.0)
    assert pipeline.idle_s() == 0.0


def test_a_stream_that_ends_early_leaves_the_other_alone() -> None:
    sink = FakeSink()
    pipeline = fake_pipeline([FakeSource("a", 1), FakeSource("b", 2)], {"out": sink})
    pipeline.feeds[0].play()
    turn(pipeline)
    assert sink.seen == ["a started", "a0", "a ended"] and not pipeline.ended
    assert pipeline.figures.streams["b"].state == "connecting"
    pipeline.feeds[1].play()
    turn(pipeline)
    assert sink.seen[3:] == ["b started", "b0", "b1", "b ended"] and pipeline.ended


def test_every_drop_has_its_stream_place_and_cause() -> None:
    def fail(frame: Frame) -> Frame:
        if frame.stream == "a" and frame.sequence == 2:
            raise ValueError("bad")
        return frame

    full = FakeSink(OSError("full"))
    pipeline = fake_pipeline(
        [FakeSource("a", 4), FakeSource("b", 4)],
        {"disk": full, "net": (net := FakeSink())},
        {"skip": drop_second, "bad": fail},
    )
    play(pipeline)
    assert pipeline.drops() == {
        ("a", "skip", "stage"): 1,
        ("b", "skip", "stage"): 1,
        ("a", "bad", "error"): 1,
        ("a", "disk", "error"): 2,
        ("b", "disk", "error"): 3,
    }
    assert [text for text in net.seen if " " not in text and text.startswith("a")] == ["a0", "a3"]
    assert pipeline.figures.frames == 5, "one sink is enough"
    assert (pipeline.figures.errors, pipeline.figures.error_ratio()) == (1, pytest.approx(1 / 6)), (
        "sinks are not judged"
    )


def test_where_no_sink_takes_a_frame_none_has_arrived() -> None:
    pipeline = fake_pipeline([FakeSource("a", 2)], {"disk": FakeSink(OSError("full"))})
    play(pipeline)
    assert pipeline.figures.frames == 0 and pipeline.drops() == {("a", "disk", "error"): 2}


def test_a_slow_sink_on_a_lane_of_its_own_costs_the_others_nothing() -> None:
    slow, fast = FakeSink(), FakeSink()
    factory = FakeFactory({}, ["a"], {"slow": "slow", "fast": "fast"}, queue=1, drop="drop_oldest")
    lanes: list[str] = []

    def let_fast_go_on() -> None:
        for lane in pipeline.lanes:
            if lane.name == "fast":
                while lane.turn():
                    lanes.append(lane.name)

    pipeline = fake_pipeline([FakeSource("a", 5, before=let_fast_go_on)], {"slow": slow, "fast": fast}, factory=factory)
    play(pipeline)
    assert [text for text in fast.seen if " " not in text] == ["a0", "a1", "a2", "a3", "a4"]
    assert slow.seen == ["a started", "a4", "a ended"]
    assert pipeline.drops() == {("a", "slow", "drop_oldest"): 4}


def test_a_lane_starts_from_what_the_release_s_profile_says_that_its_work_costs() -> None:
    factory = FakeFactory({"work": lambda frame: frame}, ["a"], {"out": "all"})
    costs = (
        PictureCosts(width_px=640, height_px=360, lanes_ms={"all": 12.5, "other": 1.0}),
        PictureCosts(width_px=1920, height_px=1080, lanes_ms={"other": 1.0}),
    )
    factory.plan = dataclasses.replace(factory.plan, costs=costs)
    made = fake_pipeline([FakeSource("a", 1)], {"out": FakeSink()}, factory=factory)
    expected = {lane.name: lane.expected_s for lane in made.lanes}
    assert expected.pop("all") == {(640, 360): 0.0125} and not any(expected.values())


def test_latency_counts_from_capture_and_of_the_whole_way() -> None:
    clock = Clock()

    def slow(frame: Frame) -> Frame:
        clock.advance(0.2)
        return frame

    entries = [frame(number, "a", captured_s=clock() - 0.05) for number in range(2)]
    pipeline = fake_pipeline([FakeSource("a", entries=entries)], {"out": FakeSink()}, {"slow": slow}, clock)
    play(pipeline)
    window = pipeline.figures.window()
    assert (round(window.p50_ms), round(window.p99_ms)) == (250, 450)


def test_a_source_that_fails_ends_its_stream_alone_and_the_last_one_the_worker(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken() -> None:
        raise ValueError("the stream changed to 32x32")

    pipeline = fake_pipeline([FakeSource("a", before=broken), FakeSource("b", 2)], {"out": (sink := FakeSink())})
    pipeline.feeds[0].play()
    turn(pipeline)
    stream = pipeline.figures.streams["a"]
    assert (stream.state, stream.message) == ("failed", "ValueError: the stream changed to 32x32")
    assert pipeline.failure is None, "b goes on"
    pipeline.feeds[1].play()
    turn(pipeline)
    assert sink.seen == ["a started", "a ended", "b started", "b0", "b1", "b ended"]
    assert pipeline.failure is not None and pipeline.failure.message == "source a: " + stream.message
    assert "ValueError" in capsys.readouterr().err


def test_what_waits_or_is_on_its_way_when_it_stops_is_counted() -> None:
    factory = FakeFactory({"work": lambda frame: frame}, ["a"], {"out": "out"})
    source = FakeSource("a", 5)
    pipeline = fake_pipeline([source], {"out": (sink := FakeSink())}, factory=factory)
    pipeline.feeds[0].play()
    for _ in range(3):
        pipeline.lanes[0].turn()
    assert pipeline.stop()
    assert pipeline.drops() == {("a", "work", "closing"): 3, ("a", "out", "closing"): 2}
    assert source.stopped and source.closed and sink.closed and factory.closed


def test_what_stages_share_and_cannot_be_closed_is_logged_and_all_else_closed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Jammed(FakeFactory):
        def close(self) -> None:
            raise OSError("the bus is stuck")

    pipeline = fake_pipeline(
        [source := FakeSource("a")], {"out": (sink := FakeSink())}, factory=Jammed({}, ["a"], {"out": "out"})
    )
    assert pipeline.stop()
    assert source.closed and sink.closed
    assert "OSError: the bus is stuck" in capsys.readouterr().err


class AskedQueues(LaneQueues):
    """Notes whenever a source wants to put something in."""

    def __init__(self) -> None:
        super().__init__(1, "block", lane="out")
        self.asked = threading.Semaphore(0)

    def wait_for_room(self, stream: str) -> bool:
        self.asked.release()
        return super().wait_for_room(stream)


def start_until_held_up(pipeline: Pipeline) -> None:
    """Let the source put in its start and one frame, which fills the queue, until it has the next entry in its hand."""
    queues = pipeline.lanes[0].queues = AskedQueues()
    pipeline.feeds[0].thread.start()
    for _ in range(3):
        assert queues.asked.acquire(timeout=PATIENCE_S)


def test_a_source_that_is_held_up_when_it_stops_counts_the_frame_in_its_hand() -> None:
    factory = FakeFactory({}, ["a"], {"out": "out"}, queue=1)
    given: list[int] = []
    source = FakeSource("a", 5, before=lambda: given.append(1))
    pipeline = fake_pipeline([source], {"out": FakeSink()}, factory=factory)
    start_until_held_up(pipeline)
    assert pipeline.stop() and len(given) == 2
    assert pipeline.drops() == {("a", "out", "closing"): 1, ("a", "camera/a", "closing"): 1}


def test_an_event_that_is_held_up_when_it_stops_is_no_frame() -> None:
    factory = FakeFactory({}, ["a"], {"out": "out"}, queue=1)
    entries = [frame(0, "a"), StreamGap(stream="a", missing=2)]
    pipeline = fake_pipeline([FakeSource("a", entries=entries)], {"out": FakeSink()}, factory=factory)
    start_until_held_up(pipeline)
    assert pipeline.stop() and pipeline.drops() == {("a", "out", "closing"): 1}


def test_a_pass_is_counted_and_the_stream_stays_live() -> None:
    clock = Clock()
    info = stream_info("a")
    entries = [frame(0, "a"), StreamRestarted(info=info, again="pass", reason="again"), frame(1, "a")]
    source = FakeSource("a", entries=entries, before=lambda: clock.advance(1.0))
    pipeline = fake_pipeline([source], {"out": (sink := FakeSink())}, clock=clock)
    stream = pipeline.figures.streams["a"]
    states = []
    for entry in source.entries(pipeline.feeds[0].figures):
        pipeline.feeds[0].stream.note(entry)
        states.append((stream.state, stream.since_s - 1000.0, stream.passes))
    assert states[0] == ("live", 0.0, 0)
    assert states[1:4] == [("live", 0.0, 0), ("live", 0.0, 1), ("live", 0.0, 1)]
    assert states[4][0] == "ended" and sink.seen == []


def test_a_gap_comes_to_the_sinks() -> None:
    entries = [frame(0, "a"), StreamGap(stream="a", missing=2), frame(3, "a")]
    pipeline = fake_pipeline([FakeSource("a", entries=entries)], {"out": (sink := FakeSink())}, {"skip": drop_second})
    play(pipeline)
    assert sink.seen == ["a started", "a0", "a gap", "a3", "a ended"]


def test_with_threads_all_streams_go_through_and_none_is_lost() -> None:
    names = [f"s{number}-" for number in range(8)]
    factory = FakeFactory({"one": lambda f: f, "two": lambda f: f}, names, {"disk": "disk", "net": "net"}, queue=1)
    sinks = {"disk": FakeSink(), "net": FakeSink()}
    pipeline = fake_pipeline([FakeSource(name, 50) for name in names], sinks, factory=factory)
    pipeline.start()
    for lane in pipeline.lanes:
        assert lane.ended.wait(PATIENCE_S)
    assert pipeline.ended and pipeline.stop()
    for name in names:
        for sink in sinks.values():
            mine = [text for text in sink.seen if text.startswith(name) and " " not in text]
            assert mine == [f"{name}{number}" for number in range(50)]
    assert pipeline.drops() == {} and pipeline.figures.frames == 400


def test_a_lane_that_does_not_come_out_of_a_stage_is_left_behind() -> None:
    held = threading.Event()

    def hang(frame: Frame) -> Frame:
        held.wait(PATIENCE_S)
        return frame

    source = FakeSource("a", 1)
    clock = Clock()
    pipeline = fake_pipeline([source], {"out": FakeSink()}, {"hang": hang}, clock)
    pipeline.start()
    eventually(lambda: pipeline.lanes[0].threads[0].figures.call is not None)
    clock.advance(60.0)
    assert not pipeline.stop(within_s=0.1)
    assert not source.closed, "somebody may still use it"
    held.set()
    assert pipeline.threads[1].join(PATIENCE_S)
