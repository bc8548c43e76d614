"""Pictures converted wrong: against what a right and a wrong converter make of the same stream."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.mistakes import mistakes_with
from edgekit.schema.recipe import ColourContract
from tests.unit.imaging.exact import COLOURS, image_in

NAMES = {
    ("709", "limited"): ["order", "matrix-601", "matrix-2020", "range-full"],
    ("601", "full"): ["order", "matrix-709", "matrix-2020", "range-limited"],
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
    for mistake in mistakes_with(matrix, range_)[1:]:
        wrong = converted(mistake.taken_matrix, mistake.taken_range)
        off = np.abs(mistake.apply(right.astype(np.uint8)) - wrong)[inside]
        assert off.max() <= 4 and off.mean() < 1, mistake.words
        assert np.abs(wrong - right)[inside].mean() > 1, "and it can be seen"


def test_the_wrong_order_is_the_other_order():
    rgb = np.random.default_rng(5).integers(0, 256, (4, 5, 3), np.uint8)
    np.testing.assert_array_equal(mistakes_with("601", "full")[0].apply(rgb), rgb[..., ::-1])
