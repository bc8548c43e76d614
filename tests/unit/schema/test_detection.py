"""Golden answers: every difference is named, with its values."""

from __future__ import annotations

import json

import pytest

from edgekit.errors import InputError
from edgekit.schema.detection import Detection, differences, pair, read_expected
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
