"""Reports of a running pipeline, on a virtual clock: what the keeper judges must be true."""

from __future__ import annotations

import os
import threading

import pytest

from edgekit.device.runtime.reporting import RunningReports
from edgekit.schema.message import from_message, to_message
from edgekit.schema.report import DropReport, Report
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.frames import frame
from tests.fakes.pipelines import FakeFactory, FakeSink, FakeSource, fake_pipeline, play


def test_a_report_says_how_it_goes() -> None:
    clock = Clock()

    def count(frame: Frame) -> Frame:
        clock.advance(0.01)
        frame.counts = {"red": frame.sequence}
        return frame

    entries = {name: [frame(number, name, captured_s=clock()) for number in range(3)] for name in "ab"}
    sources = [FakeSource(name, entries=entries[name]) for name in "ab"]
    pipeline = fake_pipeline(sources, {"out": FakeSink()}, {"count": count}, clock)
    clock.advance(1.0)
    play(pipeline)
    pipeline.figures.scores["score"] = {"passes": 1.0}
    report = RunningReports(pipeline, "passed", clock).make("running", "", 12.3456)
    assert (report.phase, report.golden, report.uptime_s, report.frames) == ("running", "passed", 12.346, 6)
    assert (report.counts, report.score, report.errors, report.error_ratio) == ({"red": 4}, {"passes": 1.0}, 0, 0.0)
    assert (report.fps, report.idle_s, report.message) == (pytest.approx(6 / 1.06, abs=0.01), 0.0, "")
    assert (report.p50_ms, report.p99_ms) == (1030.0, 1060.0)
    assert [lane.name for lane in report.lanes] == ["camera/a", "camera/b", "count", "out"]
    assert [(one.name, one.state, one.frames, one.wanted_fps) for one in report.streams] == [
        ("a", "ended", 3, 10.0),
        ("b", "ended", 3, 10.0),
    ]
    assert 'edgekit_frames_total{stream="b"} 3.0' in report.metrics
    assert from_message(Report, to_message(report), "worker") == report


def test_busy_is_since_the_last_report() -> None:
    """A lane that worked all day and stands still now is not half busy."""
    clock = Clock()

    def slow(frame: Frame) -> Frame:
        clock.advance(0.25)
        return frame

    pipeline = fake_pipeline([FakeSource("a", 2)], {"out": FakeSink()}, {"slow": slow}, clock)
    reports = RunningReports(pipeline, "", clock)

    def busy() -> dict[str, float]:
        return {lane.name: lane.busy_ratio for lane in reports.make().lanes}

    play(pipeline)
    clock.advance(0.5)
    assert busy() == {"camera/a": 0.0, "slow": 0.5, "out": 0.0}
    clock.advance(10.0)
    assert busy() == {"camera/a": 0.0, "slow": 0.0, "out": 0.0}


def test_drops_are_shown_by_lane_and_by_stream() -> None:
    clock = Clock()

    def skip(frame: Frame) -> Frame | None:
        if frame.stream == "b":
            raise ValueError("bad")
        return None if frame.sequence == 1 else frame

    sources = [FakeSource("a"), FakeSource("b", 1), FakeSource("c", 2)]
    pipeline = fake_pipeline(sources, {"out": FakeSink()}, {"skip": skip}, clock)
    play(pipeline)
    pipeline.lanes[0].queues.put(frame(9, "a"))
    pipeline.stop()
    report = RunningReports(pipeline, "", clock).make("stopping")
    lanes = {lane.name: lane.dropped for lane in report.lanes}
    assert lanes["skip"] == {"closing": 1, "stage": 2, "error": 1}
    assert lanes["camera/a"] == lanes["out"] == {}
    a, b, c = report.streams
    assert a.drops == (
        DropReport(place="skip", cause="closing", count=1),
        DropReport(place="skip", cause="stage", count=1),
    )
    assert b.drops == (DropReport(place="skip", cause="error", count=1),)
    assert c.drops == (DropReport(place="skip", cause="stage", count=1),)
    assert (report.errors, report.error_ratio) == (1, 0.25)


def test_a_lane_that_does_not_come_out_of_a_stage_is_named() -> None:
    clock, held = Clock(), threading.Event()

    def hang(frame: Frame) -> Frame:
        held.wait(PATIENCE_S)
        return frame

    pipeline = fake_pipeline([FakeSource("a")], {"out": FakeSink()}, {"hang": hang}, clock)
    reports = RunningReports(pipeline, "", clock)
    pipeline.start()
    lane = pipeline.lanes[0]
    eventually(lambda: lane.threads[0].figures.call is not None and len(lane.queues) == 2)
    clock.advance(4.0)
    assert reports.make().message == ""
    clock.advance(3.5)
    report = reports.make()
    assert report.message == "lane hang: in stage hang for 7.5 s"
    assert report.idle_s == 7.5, "and the keeper sees that no frame came"
    assert (report.lanes[1].queue, report.lanes[1].busy_ratio) == (2, 0.0)
    assert report.lanes[1].tid and set(report.lanes[1].cpus) == os.sched_getaffinity(0)
    held.set()
    pipeline.stop()


def test_a_source_that_hangs_in_decoding_is_stalled() -> None:
    clock = Clock()
    pipeline = fake_pipeline([FakeSource("a")], {"out": FakeSink()}, clock=clock)
    pipeline.figures.streams["a"].turn("live")
    clock.advance(3.0)
    pipeline.feeds[0].figures.begin("decode")
    clock.advance(1.0)
    (stream,) = RunningReports(pipeline, "", clock).make().streams
    assert (stream.state, stream.since_s) == ("live", 4.0)
    clock.advance(4.5)
    (stream,) = RunningReports(pipeline, "", clock).make().streams
    assert (stream.state, stream.since_s) == ("stalled", 5.5)
    pipeline.feeds[0].figures.end()
    (stream,) = RunningReports(pipeline, "", clock).make().streams
    assert stream.state == "live"


def test_a_stream_that_failed_and_a_thread_that_is_not_pinned_are_said() -> None:
    clock = Clock()
    pipeline = fake_pipeline([FakeSource("a"), FakeSource("b")], {"out": FakeSink()}, clock=clock)
    pipeline.figures.streams["a"].turn("failed", "the disk is gone")
    pipeline.threads[2].note = "lane out: it is not pinned"
    clock.advance(2.0)
    report = RunningReports(pipeline, "", clock).make()
    assert report.message == "lane out: it is not pinned; stream a failed: the disk is gone"
    assert (report.streams[0].message, report.streams[0].since_s) == ("the disk is gone", 2.0)
    assert RunningReports(pipeline, "", clock).make("failed", "because").message == "because"


def test_what_happens_while_a_report_is_made_is_not_in_the_future() -> None:
    """Threads go on meanwhile, and a keeper takes no report with a time below 0."""
    clock = Clock()
    pipeline = fake_pipeline([FakeSource("a")], {"out": FakeSink()}, clock=clock)
    reports = RunningReports(pipeline, "", lambda: clock() - 0.5)
    pipeline.figures.streams["a"].turn("stalled", "nothing came")
    report = reports.make()
    assert report.streams[0].since_s == 0.0 and from_message(Report, to_message(report), "worker") == report
    assert 'edgekit_stream_state_seconds{stream="a"} 0.0' in report.metrics


def test_metrics_are_made_now_and_then_and_at_the_end() -> None:
    clock = Clock()
    factory = FakeFactory({}, ["a"], {"out": "out"})
    pipeline = fake_pipeline([FakeSource("a")], {"out": FakeSink()}, factory=factory, clock=clock)
    reports = RunningReports(pipeline, "", clock)
    texts = [reports.make().metrics]
    play(pipeline)
    texts += [reports.make().metrics for _ in range(5)]
    new = ['edgekit_frames_total{stream="a"} 3.0' in text for text in texts]
    assert new == [False, False, False, False, False, True]
    pipeline.figures.streams["a"].reconnects = 2
    assert 'reconnects_total{stream="a"} 2.0' not in reports.make().metrics
    assert 'reconnects_total{stream="a"} 2.0' in reports.make("stopping").metrics
