"""Golden answers: every difference is named, with its values."""

from __future__ import annotations

import dataclasses
import json

import pytest

from edgekit.errors import InputError
from edgekit.schema.detection import (
    Attribute,
    Detection,
    Keypoint,
    differences,
    pair,
    read_expected,
    without,
)
from edgekit.schema.reader import to_raw


def at(x_px: float, label: str = "disc", colour: str = "red", score: float = 0.9) -> Detection:
    return Detection(label=label, colour=colour, x_px=x_px, y_px=10.0, score=score)


def box(x_px: float, width_px: float) -> Detection:
    return Detection(label="disc", x_px=x_px, y_px=10.0, width_px=width_px, height_px=20.0, score=0.9)


@pytest.mark.parametrize(
    ("expected", "found", "named"),
    [
        ([at(10), at(50)], [at(51), at(9)], []),
        ([at(10)], [at(13)], ["no red disc at 10,10, nearest is 3.0 px away", "red disc at 13,10 is not expected"]),
        ([at(10)], [at(10, score=0.8)], ["red disc at 10,10: score 0.800, expected 0.900 within 0.05"]),
        ([at(10)], [at(10, colour="blue")], ["no red disc at 10,10", "blue disc at 10,10 is not expected"]),
        ([], [at(10)], ["red disc at 10,10 is not expected"]),
        ([at(10), at(10.8)], [at(10)], ["no red disc at 11,10"]),
        ([box(10, 40)], [box(11, 43)], []),
        ([box(10, 40)], [box(10, 45)], ["disc at 10,10: a box of 45x20 px, expected 40x20"]),
    ],
)
def test_differences(expected: list[Detection], found: list[Detection], named: list[str]) -> None:
    assert list(differences(expected, found, position_px=2.0, score=0.05)) == named


def test_the_nearest_pairs_come_first() -> None:
    """Taken in order, 10 would take 11.5 and leave nothing for 12."""
    paired = pair([at(10), at(12)], [at(11.5), at(9)], 2.0)
    assert [(want.x_px, have.x_px) for want, have in paired.pairs] == [(10, 9), (12, 11.5)]
    assert not paired.missing and not paired.extra


def test_what_is_written_reads_back() -> None:
    wanted = {"a.png": (at(10), box(1, 2)), "b.png": ()}
    assert read_expected(json.dumps(to_raw(wanted)).encode(), "expected.json") == wanted


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a.png": [{"label": "x"}]}', b'{"a.png": [{"lable": 1}]}', b"\xff"])
def test_what_is_no_answer_names_the_command_that_writes_them(text: bytes) -> None:
    with pytest.raises(InputError, match=r"expected\.json") as error:
        read_expected(text, "expected.json")
    assert "edgekit golden" in error.value.hint


SEEN = Detection(
    label="car",
    x_px=50,
    y_px=50,
    width_px=40,
    height_px=20,
    score=0.9,
    area_px=600,
    keypoints=(Keypoint(name="nose", x_px=30, y_px=50),),
    text="AB12",
    attributes=(Attribute(name="type", value="van", score=0.9), Attribute(name="plate", value="AB12", score=0.8)),
)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, []),
        ({"area_px": 700}, []),
        ({"area_px": 300}, ["a mask of 300 px, expected 600"]),
        ({"keypoints": (Keypoint(name="nose", x_px=31, y_px=51),)}, []),
        ({"keypoints": (Keypoint(name="nose", x_px=34, y_px=50),)}, ["its nose is at 34,50, expected at 30,50"]),
        ({"keypoints": ()}, ["no nose"]),
        ({"text": "AB13"}, ["reads 'AB13', expected 'AB12'"]),
        ({"attributes": ()}, ["its type is nothing, expected van"]),
    ],
)
def test_masks_points_texts_and_attributes_are_held_too(changed, named) -> None:
    found = dataclasses.replace(SEEN, **changed)
    assert list(differences([SEEN], [found], position_px=2, score=0.05)) == [
        f"car at 50,50: {words}" for words in named
    ]


def test_what_stages_say_that_were_not_tried_is_left_out() -> None:
    assert without(SEEN, {"other"}) is SEEN
    assert [one.name for one in without(SEEN, {"type"}).attributes] == ["plate"]
    assert without(SEEN, {"type"}).text == "AB12"
    assert without(SEEN, {"plate"}).text == ""


def test_all_of_a_detection_is_read_as_it_is_written() -> None:
    seen = dataclasses.replace(SEEN, outline=((1.0, 2.0, 3.0, 4.0, 5.0, 6.0),))
    assert read_expected(json.dumps({"a.png": [to_raw(seen)]}).encode(), "f") == {"a.png": (seen,)}
