"""Annotated pictures: what is new, gone or moved has its own colour where it lies, and small frames are enlarged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.host.golden.changes import changes
from edgekit.host.golden.drawing import draw
from edgekit.schema.detection import Detection

WHITE, GREEN, RED, YELLOW = (255, 255, 255), (80, 220, 80), (60, 60, 255), (0, 200, 255)


def at(x_px: float, y_px: float, size_px: float = 0.0, label: str = "part") -> Detection:
    return Detection(label=label, x_px=x_px, y_px=y_px, width_px=size_px, height_px=size_px, score=0.5)


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "frame.png"), np.full((100, 320, 3), 90, np.uint8))
    return tmp_path / "frame.png"


def drawn(frame: Path, before: list[Detection], now: list[Detection]) -> np.ndarray:
    data = draw(frame, now, changes(before, now, position_px=2.0, score=0.05))
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_each_kind_of_change_has_its_colour_at_its_place(frame: Path) -> None:
    before = [at(20, 50), at(100, 50), at(180, 50)]
    now = [at(20, 50), at(103, 50), at(260, 50)]
    picture = drawn(frame, before, now)
    assert picture.shape == (300, 960, 3), "enlarged to be read"
    places = {20: WHITE, 103: YELLOW, 180: RED, 260: GREEN}
    assert {x: tuple(picture[150, x * 3].tolist()) for x in places} == places


def test_a_box_is_drawn_as_one(frame: Path) -> None:
    picture = drawn(frame, [at(160, 50, 40)], [at(160, 50, 40)])
    for x, y in ((140, 50), (180, 50), (160, 30), (160, 70)):
        assert tuple(picture[y * 3, x * 3].tolist()) == WHITE
    assert tuple(picture[150, 480].tolist()) == (90, 90, 90), "nothing covers what is in it"


def test_what_lies_outside_and_words_that_cannot_be_drawn_do_no_harm(frame: Path) -> None:
    drawn(frame, [], [at(-50, -50, 10), at(5000, 5000), at(0, 0, 900, label="Schraube mit Überlänge ✓")])


def test_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "frame.png").write_text("no")
    with pytest.raises(InputError, match=r"frame\.png is no picture"):
        draw(tmp_path / "frame.png", [], [])
