"""Golden frames: every difference is told, with its values."""

from __future__ import annotations

import pytest

from edgekit.device.worker.golden import compare
from edgekit.device.worker.item import Detection
from edgekit.schema.recipe import Golden

GOLDEN = Golden(frames=(), expected="", position_px=2.0, score=0.05)


def at(x_px: float, label: str = "disc", colour: str = "red", score: float = 0.9) -> Detection:
    return Detection(label=label, colour=colour, x_px=x_px, y_px=10.0, score=score)


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        ([at(10), at(50)], [at(51), at(9)], []),
        ([at(10)], [at(13)], ["no red disc at 10,10, nearest is 3.0 px away", "red disc at 13,10 is not expected"]),
        ([at(10)], [at(10, score=0.8)], ["red disc at 10,10: score 0.800, expected 0.900 within 0.05"]),
        ([at(10)], [at(10, colour="blue")], ["no red disc at 10,10", "blue disc at 10,10 is not expected"]),
        ([], [at(10)], ["red disc at 10,10 is not expected"]),
        ([at(10), at(10.5)], [at(10)], ["no red disc at 10,10"]),
    ],
)
def test_differences(expected: list[Detection], found: list[Detection], told: list[str]) -> None:
    assert list(compare(expected, found, GOLDEN)) == told
