"""What changed in golden answers: each detection once, and whether the recipe's tolerances still take it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgekit.host.golden.changes import changes, rounded
from edgekit.host.golden.report import compare_frames
from edgekit.schema.detection import Detection, Keypoint
from edgekit.schema.recipe import Golden


def at(x_px: float, score: float = 0.9, label: str = "disc", width_px: float = 0.0) -> Detection:
    return Detection(label=label, x_px=x_px, y_px=10.0, width_px=width_px, height_px=width_px, score=score)


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ([at(10)], [at(10)], []),
        ([], [at(10)], ["new: disc at 10,10 (0.900)"]),
        ([], [dataclasses.replace(at(10), text="B 12")], ["new: disc at 10,10 (0.900, 'B 12')"]),
        ([at(10)], [], ["gone: disc at 10,10 (0.900)"]),
        ([at(10)], [at(11)], ["moved: disc at 11,10 by 1.00 px"]),
        ([at(10)], [at(15)], ["moved: disc at 15,10 by 5.00 px, beyond the tolerance"]),
        ([at(10)], [at(10, 0.95)], ["score: disc at 10,10 by score +0.050"]),
        ([at(10)], [at(10, 0.8)], ["score: disc at 10,10 by score -0.100, beyond the tolerance"]),
        ([at(10, width_px=20)], [at(10, width_px=30)], ["moved: disc at 10,10 by 5.00 px, beyond the tolerance"]),
        ([at(10)], [at(60)], ["new: disc at 60,10 (0.900)", "gone: disc at 10,10 (0.900)"]),
        ([at(10)], [at(10, label="bar")], ["new: bar at 10,10 (0.900)", "gone: disc at 10,10 (0.900)"]),
    ],
)
def test_changes(before: list[Detection], now: list[Detection], words: list[str]) -> None:
    found = changes(before, now, position_px=2.0, score=0.05)
    assert [str(one) for one in found] == words
    for one in found:
        if one.change in ("new", "gone"):
            assert not one.within, "no tolerance takes a detection too many or too few"


def test_answers_are_rounded_and_sorted_before_they_are_compared() -> None:
    found = rounded([at(20.0049, 0.99949), at(10.004)])
    assert [(one.x_px, one.score) for one in found] == [(10.0, 0.9), (20.0, 0.999)]


def test_a_frame_without_answers_is_all_new() -> None:
    files = (Path("a.png"), Path("b.png"))
    reports = compare_frames(files, ((at(10),), ()), {"b.png": ()}, Golden(frames=(), expected=""))
    assert [report.words for report in reports] == [
        "a.png: 1 found, new: disc at 10,10 (0.900)",
        "b.png: 0 found, as before",
    ]
    assert [report.within for report in reports] == [False, True]


def test_what_is_said_beyond_place_and_score() -> None:
    seen = dataclasses.replace(
        at(10), text="AB", keypoints=(Keypoint(name="nose", x_px=1.23456, y_px=2, score=0.98765),)
    )
    (rounding,) = rounded([seen])
    assert rounding.keypoints == (Keypoint(name="nose", x_px=1.23, y_px=2, score=0.988),)
    assert rounding.text == "AB"
    (change,) = changes([seen], [dataclasses.replace(seen, text="AC")], position_px=2, score=0.05)
    assert (change.change, change.within) == ("content", False)
    assert str(change).startswith("content: ")
    assert "reads 'AC', expected 'AB', beyond the tolerance" in str(change)
    near = dataclasses.replace(seen, keypoints=(Keypoint(name="nose", x_px=1.5, y_px=2),))
    (change,) = changes([seen], [near], position_px=2, score=0.05)
    assert (change.change, change.within) == ("content", True)
