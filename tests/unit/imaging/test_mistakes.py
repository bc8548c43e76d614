"""Pictures converted wrong: against what a right and a wrong converter make of the same stream."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.mistakes import mistakes_with
from edgekit.schema.recipe import ColourContract
from tests.unit.imaging.exact import COLOURS, image_in

NAMES = {
    ("709", "limited"): ["order", "matrix-601", "matrix-2020", "range-full", "siting"],
    ("601", "full"): ["order", "matrix-709", "matrix-2020", "range-limited", "siting"],
}


def test_every_mistake_that_can_be_made_is_made():
    for colours, names in NAMES.items():
        assert [one.name for one in mistakes_with(*colours)] == names
    words = [one.words for one in mistakes_with("709", "limited")]
    assert words[1] == "BT.709 taken for BT.601" and words[3] == "limited range taken for full"


@pytest.mark.parametrize(("matrix", "range_"), COLOURS)
def test_a_mistake_is_what_a_converter_with_the_wrong_colours_makes(matrix, range_):
    """Of a stream with one colour in each block of 4x4, so that chroma is the block's own."""
    levels = np.random.default_rng(5).integers(20, 236, (3, 8, 8), np.uint8)
    y, u, v = (np.repeat(np.repeat(plane, 4, 0), 4, 1) for plane in levels)
    contract = ColourContract(width_px=32, height_px=32, order="RGB")

    def converted(*colours):
        frame = image_in("I420", (y, u[:, ::2], v[:, ::2]), *colours)
        return Converter(plan_conversion(frame.spec, contract)).rgb(frame).astype(int)

    right = converted(matrix, range_)
    inside = ((right > 0) & (right < 255)).all(axis=-1)  # a level that was cut off is lost
    assert inside.sum() > 100
    for mistake in mistakes_with(matrix, range_)[1:-1]:
        wrong = converted(mistake.taken_matrix, mistake.taken_range)
        off = np.abs(mistake.apply(right.astype(np.uint8)) - wrong)[inside]
        assert off.max() <= 4 and off.mean() < 1, mistake.words
        assert np.abs(wrong - right)[inside].mean() > 1, "and it can be seen"


def test_the_wrong_order_is_the_other_order():
    rgb = np.random.default_rng(5).integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(mistakes_with("601", "full")[0].apply(rgb), rgb[..., ::-1])


@pytest.mark.parametrize(("matrix", "range_"), COLOURS)
def test_chroma_moves_by_half_a_pixel_and_luma_stays(matrix, range_):
    """Red that grows from the left: half a step less everywhere, and nothing where there is no colour."""
    siting = mistakes_with(matrix, range_)[-1]
    grey = np.tile(np.arange(40, 200, 5, dtype=np.uint8)[None, :, None], (4, 1, 3))
    assert np.abs(siting.apply(grey).astype(int) - grey).max() <= 2
    y, u, v = (np.full((4, 32), level, np.uint8) for level in (128, 128, 128))
    v[:] = 64 + 4 * np.arange(32, dtype=np.uint8)
    contract = ColourContract(width_px=32, height_px=4, order="RGB")
    frames = [image_in("I420", (y, u[:, ::2], shown[:, ::2]), matrix, range_) for shown in (v, np.roll(v, 2, axis=1))]
    right, later = (Converter(plan_conversion(frame.spec, contract)).rgb(frame).astype(int) for frame in frames)
    # Chroma has a sample for two pixels here: a move by half a pixel is a quarter of one by a sample, on average.
    moved = siting.apply(right.astype(np.uint8)) - right
    assert moved[:, 4:-4, 0].mean() == pytest.approx((later - right)[:, 4:-4, 0].mean() / 4, abs=0.6)
