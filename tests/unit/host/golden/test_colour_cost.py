"""How many decisions wrong colours change, and how scores move."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.host.golden.changes import changes
from edgekit.host.golden.colour_cost import picture_cost, whole_cost
from edgekit.host.golden.sheet import Tile, check_sheet_name, draw_sheet
from edgekit.schema.detection import Detection


def disc(x: float, colour: str = "red", score: float = 0.9, label: str = "disc") -> Detection:
    return Detection(label=label, colour=colour, x_px=x, y_px=50.0, score=score)


def test_each_detection_is_kept_renamed_lost_or_new():
    right = [disc(10), disc(100), disc(200), disc(300)]
    found = [disc(12, score=0.7), disc(101, "blue"), disc(199, label="square"), disc(400)]
    cost = picture_cost(right, found, 20.0)
    assert (cost.right, cost.kept, cost.renamed, cost.lost, cost.new) == (4, 1, 2, 1, 1)
    assert cost.changed == 4 and cost.scores == pytest.approx((-0.2,))


def test_one_thing_takes_the_place_of_one():
    """Two that are gone beside one that is new: one was called something else, the other is lost."""
    cost = picture_cost([disc(10), disc(15)], [disc(14, "blue")], 20.0)
    assert (cost.renamed, cost.lost, cost.new) == (1, 1, 0)


def test_pictures_are_summed_and_scores_averaged():
    pictures = [
        picture_cost([disc(10), disc(100)], [disc(10, score=0.5), disc(100)], 20.0),
        picture_cost([disc(10)], [], 20.0),
        picture_cost([], [disc(10)], 20.0),
    ]
    cost = whole_cost("order", "RGB taken for BGR", pictures)
    assert (cost.right, cost.kept, cost.renamed, cost.lost, cost.new) == (3, 2, 0, 1, 1)
    assert (cost.score_mean, cost.score_worst) == (-0.2, -0.4)
    assert cost.wrong_percent == pytest.approx(200 / 3)
    nothing = whole_cost("order", "", [picture_cost([], [], 20.0)])
    assert (nothing.wrong_percent, nothing.score_mean, nothing.score_worst) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_sheet_has_a_tile_for_each_picture(tmp_path, suffix):
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.full((90, 160, 3), 60, np.uint8))
    now = (disc(40, "blue"),)
    tiles = [Tile(caption="right", file=file, found=(disc(40),))] * 2
    tiles.append(
        Tile(caption="wrong", file=file, found=now, changes=changes([disc(40)], now, position_px=2, score=1.0))
    )
    sheet = cv2.imdecode(np.frombuffer(draw_sheet(tiles, suffix), np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape == (2 * (360 + 26), 1280, 3)
    right, wrong, blank = sheet[30:380, :640], sheet[416:766, :640], sheet[416:766, 640:]
    assert np.abs(right.astype(int) - wrong).max() > 100 and blank.min() > 240
    green = wrong[..., 1].astype(int) - wrong[..., 2] > 40
    assert green.sum() > 20, "what is called something else is marked"


def test_a_sheet_of_no_kind_is_refused(tmp_path):
    check_sheet_name(tmp_path / "a.PNG")
    with pytest.raises(InputError, match="names no kind of picture"):
        check_sheet_name(tmp_path / "a.pdf")
