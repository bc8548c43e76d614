from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.stages.centres import Centres
from edgekit.errors import InputError
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import ColourContract
from edgekit.schema.stages.centres import CentresOptions
from edgekit.stage import Frame, ModelResult
from tests.fakes.frames import frame, stage_context

ROWS, COLUMNS = 23, 40


def centres(**options: Any) -> Centres:
    options = {"labels": ["disc", "square"], **options}
    contract = ColourContract(width_px=160, height_px=90, order="RGB")
    return Centres(stage_context(from_raw(CentresOptions, options, "recipe.toml"), contract=contract, name="find"))


def seen(heat: np.ndarray, offset: np.ndarray | None = None) -> Frame:
    offset = np.zeros((2, ROWS, COLUMNS), np.float32) if offset is None else offset
    outputs = {"heat": heat[None], "offset": offset[None]}
    return frame(result=ModelResult(outputs=outputs))


def empty() -> np.ndarray:
    return np.zeros((2, ROWS, COLUMNS), np.float32)


def test_a_peak_lies_on_the_middle_of_its_cells_first_pixel_plus_its_offset() -> None:
    heat, offset = empty(), np.zeros((2, ROWS, COLUMNS), np.float32)
    heat[1, 5, 10] = 0.9
    offset[:, 5, 10] = (0.25, -0.5)
    (found,) = centres()(seen(heat, offset)).detections
    assert (found.label, found.colour, found.score) == ("square", "", pytest.approx(0.9))
    assert (found.x_px, found.y_px) == (pytest.approx((10.25 * 4 + 0.5) * 4), pytest.approx((4.5 * 4 + 0.5) * 4))


def test_two_labels_never_claim_one_part() -> None:
    heat = empty()
    heat[0, 5, 10], heat[1, 5, 11], heat[1, 5, 10] = 0.8, 0.7, 0.6
    assert [found.label for found in centres()(seen(heat)).detections] == ["disc"]


def test_equal_neighbours_are_one_part() -> None:
    heat = empty()
    heat[0, 5, 10:13] = heat[0, 6, 10] = 0.75
    assert len(centres()(seen(heat)).detections) == 1


def test_strongest_first_and_nothing_below_the_threshold() -> None:
    heat = empty()
    heat[0, 2, 2], heat[0, 10, 10], heat[0, 20, 30] = 0.6, 0.9, 0.49
    assert [round(found.score, 2) for found in centres()(seen(heat)).detections] == [0.9, 0.6]


@settings(deadline=None, max_examples=25)
@given(
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, 12)), max_size=12), st.lists(st.integers(64, 127), min_size=12)
)
def test_every_part_that_stands_apart_is_found_once(cells: set[tuple[int, int]], levels: list[int]) -> None:
    heat = empty()
    for (row, column), level in zip(sorted(cells), levels, strict=False):
        heat[level % 2, row * 3 + 1, column * 3 + 1] = level / 127
    stage = centres()
    found = stage(seen(heat)).detections
    places = sorted((round((one.y_px / 4 - 0.5) / 4), round((one.x_px / 4 - 0.5) / 4)) for one in found)
    assert places == sorted((row * 3 + 1, column * 3 + 1) for row, column in cells)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 16))
def test_no_two_detections_are_neighbours_however_coarse_the_scores(seed: int, levels: int) -> None:
    heat = np.random.default_rng(seed).integers(0, levels, (2, ROWS, COLUMNS)).astype(np.float32) / (levels - 1)
    offset = np.zeros((2, ROWS, COLUMNS), np.float32)
    found = centres()(seen(heat, offset)).detections
    assert found
    for number, one in enumerate(found):
        assert all(max(abs(one.x_px - other.x_px), abs(one.y_px - other.y_px)) > 16.5 for other in found[:number])


def test_every_wrong_option_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        centres(labels=[], threshold=50.0, stride_px=0)
    assert all(key in error.value.message for key in ("3 mistakes", "labels", "threshold", "stride_px"))


def test_an_unknown_option_names_the_closest() -> None:
    with pytest.raises(InputError, match="did you mean threshold"):
        centres(treshold=0.5)


def test_a_model_without_that_output_is_told_with_those_it_has() -> None:
    with pytest.raises(InputError, match="no output peaks") as error:
        centres(heat="peaks")(seen(empty()))
    assert "heat, offset" in error.value.hint


def test_labels_must_fit_the_channels() -> None:
    with pytest.raises(InputError, match="1 labels for a heat map of 2 channels"):
        centres(labels=["disc"])(seen(empty()))
