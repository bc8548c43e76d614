from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.stages.colour import UNKNOWN, Colour
from edgekit.errors import InputError
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import ColourContract
from edgekit.schema.stages.colour import ColourOptions
from edgekit.stage import Detection, ModelResult
from tests.fakes.frames import frame, stage_context

PALETTE = {"red": [200, 45, 40], "green": [40, 150, 70], "blue": [40, 80, 195], "yellow": [228, 190, 45]}


def colour(**options: Any) -> Colour:
    options = {"palette": PALETTE, **options}
    contract = ColourContract(width_px=160, height_px=90, order="RGB")
    return Colour(stage_context(from_raw(ColourOptions, options, "recipe.toml"), contract=contract, name="name"))


def named(stage: Colour, rgb: np.ndarray, x_px: float, y_px: float) -> str:
    found = Detection(label="disc", colour="", x_px=x_px, y_px=y_px, score=0.9)
    (after,) = stage(frame(result=ModelResult(picture=rgb), detections=(found,))).detections
    assert (after.label, after.x_px, after.y_px, after.score) == ("disc", x_px, y_px, 0.9)
    return after.colour


def plain(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.full((90, 160, 3), rgb, np.uint8)


@pytest.mark.parametrize("name", PALETTE)
def test_names_the_nearest_in_the_palette(name: str) -> None:
    assert named(colour(), plain(tuple(PALETTE[name])), 320, 180) == name  # type: ignore[arg-type]


def test_far_from_everything_is_unknown() -> None:
    assert named(colour(), plain((128, 128, 128)), 320, 180) == UNKNOWN
    assert named(colour(max_distance=5.0), plain((200, 45, 47)), 320, 180) == UNKNOWN


def test_looks_at_the_place_and_at_the_median_there() -> None:
    rgb = plain((0, 0, 0))
    rgb[44:47, 79:82] = (40, 80, 195)
    rgb[44, 79:82] = 255
    assert named(colour(), rgb, 80 * 4 + 2, 45 * 4 + 2) == "blue"


@settings(deadline=None, max_examples=40)
@given(st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_a_centre_beside_the_frame_never_takes_another_places_colour(x_px: float, y_px: float) -> None:
    reaches = -8 < x_px < 648 and -8 < y_px < 368
    answer = named(colour(), plain((200, 45, 40)), x_px, y_px)
    assert answer in ({"red", UNKNOWN} if reaches else {UNKNOWN})
    if 0 <= x_px < 640 and 0 <= y_px < 360:
        assert answer == "red"


@pytest.mark.parametrize("palette", [{}, {"red": [200, 45]}, {"red": [200, 45, 256]}])
def test_a_wrong_palette_is_refused(palette: dict[str, list[int]]) -> None:
    with pytest.raises(InputError, match="palette"):
        colour(palette=palette)
