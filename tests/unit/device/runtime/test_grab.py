"""Frames are taken out of a clip as the worker sees them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.device.runtime.grab import grab_frames, spread
from edgekit.errors import InputError
from edgekit.schema.rehearsal import Grab
from edgekit.schema.source import FileSource

RECIPE = Path(__file__).parents[4] / "recipes" / "sorting-line"
BELT = FileSource(kind="file", path="clip.mp4", pace="camera", lane="all")


@pytest.mark.parametrize(
    ("count", "total", "numbers"),
    [(4, 120, [15, 45, 75, 105]), (4, 4, [0, 1, 2, 3]), (4, 2, [0, 1]), (1, 9, [4]), (4, 0, [])],
)
def test_they_are_spread_over_the_clip(count: int, total: int, numbers: list[int]) -> None:
    assert spread(count, total) == numbers


def test_a_frame_is_the_golden_frame_of_the_same_number(tmp_path: Path) -> None:
    """Those in the recipe were converted in floating point; the clip's chroma has a quarter of the samples."""
    (file,) = grab_frames("belt", BELT, RECIPE, Grab(folder=str(tmp_path), frames=(20,)))
    assert file.name == "frame-020.png"
    mine, exact = (cv2.imread(str(path)).astype(int) for path in (file, RECIPE / "golden" / file.name))
    assert mine.shape == exact.shape
    assert np.abs(mine - exact).mean() < 2


def test_without_numbers_there_are_as_many_as_wanted(tmp_path: Path) -> None:
    files = grab_frames("belt", BELT, RECIPE, Grab(folder=str(tmp_path), count=2))
    assert [file.name for file in files] == ["frame-030.png", "frame-090.png"]


def test_a_number_beyond_the_end_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no frame 120: it has 120"):
        grab_frames("belt", BELT, RECIPE, Grab(folder=str(tmp_path), frames=(3, 120)))
    assert not list(tmp_path.iterdir())
