"""Figures of agreement, mixed ranges, and what is said of both."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.errors import EngineError
from edgekit.host.engine.model.ranges import find_mixed
from edgekit.host.engine.verify.agreement import Agreement, compare
from edgekit.host.engine.verify.verdict import AgreementCure, LayerError, Overflow, check_agreement, starts
from edgekit.schema.reader import to_json
from edgekit.schema.recipe import Tolerance
from tests.fakes.networks import detector

ONE = Agreement(output="heat", frames=4, cosine_min=0.95, cosine_mean=0.99, max_abs=0.5)

CURE = AgreementCure(channels=lambda: 'write split = "auto"', overflow=lambda: None)


def test_the_worst_frame_counts():
    want = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    got = np.array([[1.0, 0.0], [1.0, 1.0]], np.float32)
    (found,) = compare({"heat": want}, {"heat": got})
    assert (found.frames, found.max_abs) == (2, 1.0)
    assert found.cosine_min == pytest.approx(0.7071, abs=1e-4)
    assert found.cosine_mean == pytest.approx(0.8536, abs=1e-4)


def test_zeros_and_what_is_no_number():
    zero, one, none = np.zeros((1, 2)), np.ones((1, 2)), np.full((1, 2), np.nan)
    assert compare({"a": zero}, {"a": zero})[0].cosine_min == 1.0
    assert compare({"a": one}, {"a": zero})[0].cosine_min == 0.0
    broken = compare({"a": one}, {"a": none})[0]
    assert (broken.cosine_min, broken.not_finite) == (0.0, 2)
    assert to_json(broken)  # a record of it can be kept


def test_the_pictures_are_named():
    want = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], np.float32)
    got = np.array([[1.0, 0.0], [1.0, 1.0], [3.0, 0.5]], np.float32)
    (found,) = compare({"heat": want}, {"heat": got}, ["a.png", "b.png", "c.png"])
    assert (found.picture, found.farthest) == ("b.png", "c.png")


def test_a_picture_with_nothing_on_it_is_judged_by_its_size_alone():
    """What is left of a heat map without a part is noise: its direction says nothing."""
    want = np.array([[0.9, 0.0, 0.1], [0.001, 0.002, 0.0]], np.float32)
    got = np.array([[0.9, 0.0, 0.1], [0.0, 0.0, 0.004]], np.float32)
    (found,) = compare({"heat": want}, {"heat": got}, ["part.png", "empty.png"])
    assert (found.cosine_min, found.empty_frames, found.empty_picture) == (pytest.approx(1.0), 1, "empty.png")
    check_agreement("m", [found], Tolerance(), CURE)
    got[1, 2] = 0.3
    (found,) = compare({"heat": want}, {"heat": got}, ["part.png", "empty.png"])
    with pytest.raises(EngineError, match=r"heat is off by 0.3 on empty.png, where the float model answers next to no"):
        check_agreement("m", [found], Tolerance(), CURE)


def test_a_refusal_names_picture_cosine_and_difference():
    (found,) = compare({"heat": np.eye(2)}, {"heat": np.array([[1.0, 0.0], [1.0, 1.0]])}, ["a.png", "b.png"])
    with pytest.raises(
        EngineError, match=r"heat has cosine 0.70711 on b.png, the tolerance is 0.99; it is off by 1 on"
    ):
        check_agreement("m", [found], Tolerance(), CURE)
    with pytest.raises(
        EngineError, match=r"heat is off by 1 on b.png, the tolerance is 0.5; its least cosine 0.70711 on"
    ):
        check_agreement("m", [found], Tolerance(cosine=0.1, max_abs=0.5), CURE)


def test_an_overflow_is_named_before_what_came_of_it():
    overflow = Overflow(reason="float16 overflows at q", hint='split = ["a"]', details="q: 0 to 160180")
    cure = AgreementCure(channels=lambda: "", overflow=lambda: overflow)
    (broken,) = compare({"a": np.ones((1, 2))}, {"a": np.array([[np.inf, 1.0]])})
    (silent,) = compare({"a": np.ones((1, 2))}, {"a": np.zeros((1, 2))})
    for found, told in ((broken, "1 values that are no numbers"), (silent, "cosine 0.00000")):
        with pytest.raises(EngineError, match=rf"models\.m: float16 overflows at q; so output a has {told}") as raised:
            check_agreement("m", [found], Tolerance(), cure)
        assert raised.value.hint == 'split = ["a"]'
        assert "q: 0 to 160180" in raised.value.details
    check_agreement("m", compare({"a": np.ones((1, 2))}, {"a": np.ones((1, 2))}), Tolerance(), cure)


def test_where_the_model_itself_answers_no_number_none_is_wanted():
    want = np.array([[np.nan, 1.0, 0.5]])
    (found,) = compare({"a": want}, {"a": np.array([[np.inf, 1.0, 0.5]])})
    assert (found.cosine_min, found.not_finite, found.max_abs) == (pytest.approx(1.0), 0, 0.0)


def test_an_output_that_is_missing_is_told():
    with pytest.raises(ValueError, match="heat is missing"):
        compare({"heat": np.zeros((1, 2))}, {"heat": np.zeros((1, 3))})


def no_analysis():
    raise AssertionError("nothing is wrong")


def test_within_tolerance_nothing_is_converted_again():
    check_agreement("m", [ONE], Tolerance(cosine=0.95, max_abs=0.5), CURE, no_analysis)


LAYERS = (
    LayerError(kind="Input", name="images", cosine=0.1, cosine_alone=0.1),
    LayerError(kind="Conv", name="conv1", cosine=0.999, cosine_alone=0.999),
    LayerError(kind="Conv", name="heat_int8", cosine=0.95, cosine_alone=0.96),
)


@pytest.mark.parametrize("tolerance", [Tolerance(cosine=0.99), Tolerance(cosine=0.5, max_abs=0.4)])
def test_beyond_it_the_layers_are_named(tolerance):
    with pytest.raises(EngineError) as raised:
        check_agreement("parts", [ONE], tolerance, CURE, lambda: LAYERS)
    error = raised.value
    assert error.message.startswith("models.parts: output heat ")
    assert "the error starts at heat (Conv, 0.9600), conv1 (Conv, 0.9990)" in error.message
    assert 'keep_float = ["heat"]' in error.hint
    assert "0.99900  0.99900  Conv conv1" in error.details


def test_inputs_are_not_blamed():
    assert [layer.name for layer in starts(LAYERS)] == ["heat_int8", "conv1"]
    nothing = LayerError(kind="Mul", name="q", cosine=math.nan, cosine_alone=math.nan)
    assert starts((*LAYERS, nothing))[0] is nothing


def boxes_and_scores(score: float) -> np.ndarray:
    values = np.zeros((2, 1, 6, 4, 4), np.float32)
    values[:, :, :4] = np.linspace(0, 160, 16).reshape(4, 4)
    values[:, :, 4:] = score
    return values


def test_boxes_beside_scores_are_found_and_what_joins_them_named():
    (mixed,) = find_mixed(detector(joined=True), {"found": boxes_and_scores(0.9)})
    assert mixed.joined == ("boxes", "scores")
    assert mixed.step == pytest.approx(160 / 255)
    assert str(mixed).startswith("output found mixes ranges: one int8 step is 0.627")


@pytest.mark.parametrize("shape", [(2, 1, 6, 16), (2, 1, 16, 6)])
def test_lists_of_boxes_count_too(shape):
    values = boxes_and_scores(0.9).reshape(2, 1, 6, 16)
    values = values if shape[2] == 6 else values.transpose(0, 1, 3, 2)
    assert find_mixed(detector(), {"found": values})


def test_outputs_of_one_kind_are_left_alone():
    heat = np.zeros((2, 1, 3, 4, 4), np.float32)
    heat[:, :, 0] = 0.99
    heat[:, :, 1] = 0.001  # nothing of that class was to be seen
    logits = np.array([[[-9.0, 4.0, 0.001]]])
    assert not find_mixed(detector(), {"heat": heat, "logits": logits})
    assert not find_mixed(detector(), {"found": boxes_and_scores(50.0)})
