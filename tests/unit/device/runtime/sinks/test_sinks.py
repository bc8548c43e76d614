"""Sinks: counts as lines in a file that stays small, and scores against a ground truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.runtime.frames.stream import StreamEnded, StreamGap, StreamRestarted, StreamStarted
from edgekit.device.runtime.sinks import Sink, make_sink
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.errors import InputError
from edgekit.schema.sink import JsonlSink, RecipeSink, ScoreSink
from edgekit.schema.units import Bytes
from edgekit.stage import Frame
from tests.fakes.frames import frame, stream_info
from tests.fakes.plans import small_plan

JSONL = JsonlSink(kind="jsonl", path="counts.jsonl", lane="l")
SCORE = ScoreSink(kind="score", path="truth.json", source="belt", lane="l")
RESTARTED = StreamRestarted(info=stream_info(), again="pass", reason="the clip begins again")
ENDED = StreamEnded(stream="belt", reason="the clip was played 2 times")


def made(plan: RecipeSink, folder: Path, figures: PipelineFigures | None = None) -> Sink:
    whole = small_plan(sinks={"sink": plan})
    return make_sink(
        SinkContext(name="sink", plan=whole, release=folder, work=folder, figures=figures or PipelineFigures())
    )


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
    lines = [json.loads(text) for text in (tmp_path / "counts.jsonl").read_text().splitlines()]
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
    lines = [json.loads(text) for text in (tmp_path / "counts.jsonl").read_text().splitlines()]
    assert [(line["event"], line["stream"]) for line in lines] == [("count", "a"), ("count", "b"), ("ended", "b")]


def test_the_file_never_grows_past_its_size(tmp_path: Path) -> None:
    sink = made(replace(JSONL, max_bytes=Bytes(400)), tmp_path)
    for sequence in range(200):
        sink.take(counted(sequence, red=sequence + 1))
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"counts.jsonl", "counts.jsonl.1"}
    assert max(sizes.values()) <= 400


def test_a_line_that_could_not_be_written_is_written_with_the_next_frame(tmp_path: Path) -> None:
    sink = made(JSONL, tmp_path / "work")
    (tmp_path / "work").rmdir()
    with pytest.raises(OSError):
        sink.take(counted(0, red=1))
    (tmp_path / "work").mkdir()
    sink.take(counted(1, red=1))
    assert json.loads((tmp_path / "work/counts.jsonl").read_text())["counts"] == {"red": 1}


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
