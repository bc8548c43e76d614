"""Sinks: counts as lines in a file that stays small, and scores against a ground truth."""

from __future__ import annotations

import json
import os
import resource
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jsonschema
import numpy as np
import pytest

from edgekit.device.runtime.frames.stream import (
    Lost,
    StreamEnded,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.device.runtime.sinks import Sink, make_sink
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.line_file import LineFile
from edgekit.device.runtime.sinks.track_log import TrackLog
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.errors import InputError
from edgekit.schema.detection import Detection, Keypoint
from edgekit.schema.result import EventKind
from edgekit.schema.sink import JsonlSink, RecipeSink, ScoreSink
from edgekit.schema.units import Bytes
from edgekit.stage import Frame, SceneEvent
from tests.fakes.eventually import eventually
from tests.fakes.frames import frame, stream_info
from tests.fakes.plans import small_plan
from tests.fakes.published import check_published, checked_lines

JSONL = JsonlSink(kind="jsonl", path="counts.jsonl", lane="l")
SCORE = ScoreSink(kind="score", path="truth.json", source="belt", lane="l")
RESTARTED = StreamRestarted(info=stream_info(), again="pass", reason="the clip begins again")
ENDED = StreamEnded(stream="belt", reason="the clip was played 2 times")


def made(plan: RecipeSink, folder: Path, figures: PipelineFigures | None = None) -> Sink:
    whole = small_plan(sinks={"sink": plan})
    return make_sink(
        SinkContext(name="sink", plan=whole, release=folder, work=folder, figures=figures or PipelineFigures())
    )


def written(folder: Path, count: int) -> list[dict[str, Any]]:
    """The lines, once there are so many."""
    file = folder / "counts.jsonl"
    eventually(lambda: file.is_file() and file.read_bytes().count(b"\n") >= count)
    return checked_lines(file)


def counted(sequence: int, stream: str = "belt", **counts: int) -> Frame:
    return frame(sequence, stream, counts=dict(counts))


def test_a_line_for_every_change_every_restart_and_the_end(tmp_path: Path) -> None:
    sink = made(JSONL, tmp_path)
    sink.follow(StreamStarted(info=stream_info()))
    for given in (counted(0), counted(1, red=1), counted(2, red=1), counted(3, red=2)):
        sink.take(given)
    sink.follow(StreamGap(stream="belt", missing=1))
    sink.follow(RESTARTED)
    sink.follow(ENDED)
    sink.close()
    lines = checked_lines(tmp_path / "counts.jsonl")
    assert [(line["event"], line["stream"], line.get("frame"), line["counts"]) for line in lines] == [
        ("count", "belt", 1, {"red": 1}),
        ("count", "belt", 3, {"red": 2}),
        ("restarted", "belt", None, {"red": 2}),
        ("ended", "belt", None, {}),
    ]


def test_lines_of_two_streams_do_not_mix(tmp_path: Path) -> None:
    sink = made(JSONL, tmp_path)
    for given in (counted(0, "a", red=1), counted(0, "b", red=1), counted(1, "a", red=1)):
        sink.take(given)
    sink.follow(StreamEnded(stream="b", reason=""))
    sink.close()
    lines = checked_lines(tmp_path / "counts.jsonl")
    assert [(line["event"], line["stream"]) for line in lines] == [("count", "a"), ("count", "b"), ("ended", "b")]


def test_the_file_never_grows_past_its_size(tmp_path: Path) -> None:
    sink = made(replace(JSONL, max_bytes=Bytes(400)), tmp_path)
    for sequence in range(200):
        sink.take(counted(sequence, red=sequence + 1))
    sink.close()
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"counts.jsonl", "counts.jsonl.1"}
    assert max(sizes.values()) <= 400


@pytest.mark.parametrize("keep", [0, 3])
def test_so_many_older_files_stay_and_no_more(keep: int, tmp_path: Path) -> None:
    sink = made(replace(JSONL, max_bytes=Bytes(400), keep=keep), tmp_path)
    for sequence in range(200):
        sink.take(counted(sequence, red=sequence + 1))
    sink.close()
    names = ["counts.jsonl", *(f"counts.jsonl.{number}" for number in range(1, keep + 1))]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    frames = [line["frame"] for name in reversed(names) for line in checked_lines(tmp_path / name)]
    assert frames == [*range(200)][-len(frames) :], "the newest lines, in order, none missing between"
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 400 * (keep + 1)


def seen(sequence: int, *detections: Detection, at_s: float = 0.0) -> Frame:
    return frame(sequence, detections=detections, captured_s=at_s)


def test_detections_are_lines_where_that_is_asked_for_as_often_as_is_asked_for(tmp_path: Path) -> None:
    found = Detection(
        label="person",
        x_px=np.float32(4.5),  # type: ignore[arg-type]
        y_px=2.0,
        score=0.5,
        track=np.int64(7),  # type: ignore[arg-type]
        keypoints=(Keypoint(name="nose", x_px=1.0, y_px=2.0),),
        outline=((1.0, 2.0, 3.0, 4.0),),
    )
    sink = made(JSONL, tmp_path)
    sink.take(seen(0, found))
    sink.close()
    assert not (tmp_path / "counts.jsonl").exists()
    sink = made(replace(JSONL, detections=True, detections_every_s=1.0), tmp_path)
    for sequence in range(30):
        sink.take(seen(sequence, *([found] if sequence else []), at_s=sequence / 10))
    sink.close()
    lines = checked_lines(tmp_path / "counts.jsonl")
    assert [(line["event"], line["frame"]) for line in lines] == [("detections", number) for number in (1, 11, 21)]
    (shown,) = lines[0]["detections"]
    assert (shown["label"], shown["x_px"], shown["track"]) == ("person", 4.5, 7)
    assert (shown["keypoints"][0]["name"], shown["outline"]) == ("nose", [[1.0, 2.0, 3.0, 4.0]])


def test_a_track_is_a_line_when_it_has_ended(tmp_path: Path) -> None:
    sink = made(replace(JSONL, tracks=True), tmp_path)

    def person(track: int, x_px: float, label: str = "person") -> Detection:
        return Detection(label=label, x_px=x_px, y_px=10.0, score=0.9, track=track)

    for tenth in range(100):
        there = [person(1, float(tenth))] if tenth < 20 else []
        there += [person(2, 5.0, "cat" if tenth == 50 else "dog")] if tenth >= 50 else []
        sink.take(seen(tenth, *there, person(0, 1.0), at_s=tenth / 10))
    first = written(tmp_path, 1)
    assert [(line["track"], line["label"], line["frames"]) for line in first] == [(1, "person", 20)]
    assert (first[0]["start_px"], first[0]["end_px"]) == ([0.0, 10.0], [19.0, 10.0])
    assert first[0]["at_s"] - first[0]["first_at_s"] == pytest.approx(1.9, abs=0.01)
    sink.follow(RESTARTED)
    last = written(tmp_path, 3)[1:]
    assert [(line["event"], line.get("label"), line.get("frames")) for line in last] == [
        ("track", "dog", 50),
        ("restarted", None, None),
    ]
    sink.take(seen(200, person(1, 3.0), at_s=20.0))
    sink.close()
    assert checked_lines(tmp_path / "counts.jsonl")[-1]["frames"] == 1


def test_tracks_that_never_end_are_bounded(tmp_path: Path) -> None:
    log = TrackLog("belt")
    ended = 0
    for track in range(1, 20_001):
        ended += len(list(log.see(0.0, 0.0, (Detection(label="x", x_px=0, y_px=0, score=1, track=track),))))
    assert ended == 10_000 and len(list(log.end())) == 10_000


def test_a_clock_that_is_set_back_ends_no_track_too_late() -> None:
    log, here = TrackLog("belt"), Detection(label="x", x_px=0, y_px=0, score=1, track=1)
    assert not list(log.see(1_000_000.0, 10.0, (here,)))
    (line,) = log.see(500.0, 16.0, ())
    assert line.track == 1


def test_what_no_line_can_hold_is_an_error_and_the_next_line_is_written(tmp_path: Path) -> None:
    sink = made(replace(JSONL, max_bytes=Bytes(2000), detections=True), tmp_path)
    broken = Detection(label="x", x_px=float("nan"), y_px=0, score=1)
    with pytest.raises(ValueError, match="JSON"):
        sink.take(seen(0, broken))
    with pytest.raises(ValueError, match="raise max_bytes"):
        sink.take(seen(1, *[Detection(label="x", x_px=0, y_px=0, score=1)] * 100))
    sink.take(counted(2, red=1))
    sink.close()
    (line,) = checked_lines(tmp_path / "counts.jsonl")
    assert line["counts"] == {"red": 1}


def test_events_and_lost_streams_are_lines_as_published(tmp_path: Path) -> None:
    sink = made(JSONL, tmp_path)
    for kind in get_args(EventKind):
        event = SceneEvent(kind=kind, place="door", label="person", track=3, direction="in", seconds=1.5)
        sink.take(frame(1, events=(event,)))
    for state in get_args(Lost):
        sink.follow(StreamLost(stream="belt", state=state, reason="cable"))
    sink.close()
    lines = checked_lines(tmp_path / "counts.jsonl")
    assert [line["event"] for line in lines] == [*get_args(EventKind), *get_args(Lost)]
    with pytest.raises(jsonschema.ValidationError):
        check_published("line", {**lines[0], "event": "exploded"})


def test_a_line_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    (tmp_path / "counts.jsonl").mkdir()
    figures = PipelineFigures()
    sink = made(JSONL, tmp_path, figures)
    sink.take(counted(0, red=1))
    eventually(lambda: figures.sinks["sink"].trouble.startswith("lines cannot be written: Is a directory"))
    (tmp_path / "counts.jsonl").rmdir()
    (line,) = written(tmp_path, 1)
    assert line["counts"] == {"red": 1}
    eventually(lambda: not figures.sinks["sink"].trouble and figures.sinks["sink"].sent == 1)
    sink.close()


def test_a_disk_that_hangs_costs_the_lane_nothing_and_a_bound_of_memory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "counts.jsonl")  # opening it waits for a reader
    figures = PipelineFigures()
    sink = made(replace(JSONL, detections=True), tmp_path, figures)
    many = [Detection(label="x" * 100, x_px=0, y_px=0, score=1)] * 100
    for sequence in range(400):
        sink.take(seen(sequence, *many))
    told = figures.sinks["sink"]
    assert 0 < told.dropped < 400 and "new ones are dropped" in told.trouble
    reader = os.open(tmp_path / "counts.jsonl", os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "counts.jsonl").unlink()
    os.close(reader)
    sink.close()
    assert checked_lines(tmp_path / "counts.jsonl"), "what waited is written once the disk is back"


def test_a_disk_that_is_full_leaves_no_part_of_a_line(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    lines = LineFile(file, 1 << 20, 0)
    lines.write([b"whole\n"])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError):
            lines.write([b"a line that is longer\n"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read_bytes() == b"whole\n"
    lines.write([b"next\n"])
    assert file.read_bytes() == b"whole\nnext\n"


def test_a_score_is_of_one_whole_pass(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text(json.dumps({"counts": {"red": 2, "blue": 1}}))
    figures = PipelineFigures()
    sink = made(SCORE, tmp_path, figures)
    sink.take(counted(0, red=2, blue=1))
    sink.follow(StreamStarted(info=stream_info()))
    sink.follow(StreamGap(stream="belt", missing=1))
    assert figures.score == {}
    sink.follow(RESTARTED)
    assert figures.score == {"passes": 1, "wrong_passes": 0, "expected": 3, "counted": 3, "wrong": 0}
    sink.take(counted(1, red=1, green=1))
    sink.follow(ENDED)
    assert figures.score == {"passes": 2, "wrong_passes": 1, "expected": 3, "counted": 2, "wrong": 3}


def test_a_score_is_of_one_stream_and_of_no_broken_pass(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text(json.dumps({"counts": {"red": 2}}))
    figures = PipelineFigures()
    sink = made(SCORE, tmp_path, figures)
    sink.take(counted(0, red=2))
    sink.take(counted(0, "other", red=7))
    sink.follow(StreamEnded(stream="other", reason=""))
    sink.follow(StreamEnded(stream="belt", reason="the stream changed", failed=True))
    assert figures.score == {}
    sink.follow(ENDED)
    assert figures.score["wrong_passes"] == 0


@pytest.mark.parametrize("text", [None, "", "[]", '{"counts": 3}', '{"counts": {"red": "many"}}'])
def test_a_ground_truth_that_cannot_be_read_is_an_error(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "truth.json").write_text(text)
    with pytest.raises(InputError, match=r"ground truth truth\.json"):
        made(SCORE, tmp_path)
