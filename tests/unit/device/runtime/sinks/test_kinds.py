"""Sinks: counts as lines in a file that stays small, and scores against a ground truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runtime.figures import Outcome
from edgekit.device.runtime.frames.item import EndOfPass, Item
from edgekit.device.runtime.sinks.kinds import make_sink
from edgekit.errors import InputError
from edgekit.imaging.image import RgbImage
from edgekit.schema.recipe import JsonlSink, ScoreSink
from edgekit.schema.units import Bytes

IMAGE = RgbImage(pixels=np.zeros((1, 1, 3), np.uint8), order="RGB")
JSONL = JsonlSink(kind="jsonl", path="counts.jsonl", lane="l", max_bytes=Bytes(400))
SCORE = ScoreSink(kind="score", path="truth.json", lane="l")


def item(index: int, **counts: int) -> Item:
    return Item(source="s", index=index, loop=0, captured_s=0.0, image=IMAGE, counts=dict(counts))


def test_a_line_for_every_change_and_every_pass(tmp_path: Path) -> None:
    sink = make_sink(JSONL, tmp_path, tmp_path, Outcome())
    for given in (item(0), item(1, red=1), item(2, red=1), item(3, red=2)):
        sink.take(given)
    sink.end_of_pass(EndOfPass(loop=0, last=False))
    lines = [json.loads(text) for text in (tmp_path / "counts.jsonl").read_text().splitlines()]
    assert [(line["event"], line["counts"]) for line in lines] == [
        ("count", {"red": 1}),
        ("count", {"red": 2}),
        ("pass", {"red": 2}),
    ]


def test_the_file_never_grows_past_its_size(tmp_path: Path) -> None:
    sink = make_sink(JSONL, tmp_path, tmp_path, Outcome())
    for index in range(200):
        sink.take(item(index, red=index + 1))
    sizes = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    assert set(sizes) == {"counts.jsonl", "counts.jsonl.1"}
    assert max(sizes.values()) <= 400


def test_a_score_is_of_one_whole_pass(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text(json.dumps({"counts": {"red": 2, "blue": 1}}))
    outcome = Outcome()
    sink = make_sink(SCORE, tmp_path, tmp_path, outcome)
    sink.take(item(0, red=2, blue=1))
    assert outcome.score == {}
    sink.end_of_pass(EndOfPass(loop=0, last=False))
    assert outcome.score == {"passes": 1, "wrong_passes": 0, "expected": 3, "counted": 3, "wrong": 0}
    sink.take(item(0, red=1, green=1))
    sink.end_of_pass(EndOfPass(loop=1, last=True))
    assert outcome.score == {"passes": 2, "wrong_passes": 1, "expected": 3, "counted": 2, "wrong": 3}


@pytest.mark.parametrize("text", [None, "", "[]", '{"counts": 3}', '{"counts": {"red": "many"}}'])
def test_a_ground_truth_that_is_none_is_told(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "truth.json").write_text(text)
    with pytest.raises(InputError, match=r"ground truth truth\.json"):
        make_sink(SCORE, tmp_path, tmp_path, Outcome())
