"""Channel by channel: what is lost although the whole output looks alike, and what only seems so."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import EngineError
from edgekit.host.engine.verify.agreement import compare
from edgekit.host.engine.verify.channels import channel_axis, compare_channels, lost, summarise
from edgekit.host.engine.verify.verdict import AgreementCure, check_agreement
from edgekit.schema.recipe import Tolerance

RANDOM = np.random.default_rng(1)
CURE = AgreementCure(channels=lambda: 'write split = "auto"', overflow=lambda: None)


def yolo(frames: int = 3, anchors: int = 400) -> np.ndarray:
    """[frames, 1, 4 boxes + 3 scores, anchors]: hardly any anchor sees something."""
    boxes = RANDOM.uniform(5, 600, (frames, 1, 4, anchors))
    scores = RANDOM.uniform(0, 1, (frames, 1, 3, anchors)) ** 12
    return np.concatenate([boxes, scores], axis=2).astype(np.float32)


def in_steps(array: np.ndarray, step: float) -> np.ndarray:
    return (np.round(array / step) * step).astype(np.float32)


def reasons(want: np.ndarray, got: np.ndarray, cosine: float = 0.99) -> dict[int, str]:
    return {one.index: reason for one, reason in lost(compare_channels(want, got), cosine)}


def test_scores_that_are_zero_are_lost_whatever_the_cosine():
    want = yolo()
    got = in_steps(want, 2.5)
    (agreement,) = compare({"out": want}, {"out": got})
    assert agreement.cosine_min > 0.9999
    assert set(reasons(want, got)) == {4, 5, 6}
    with pytest.raises(EngineError, match=r"output out, channel 4 is 0 throughout .*so are 2 more") as raised:
        check_agreement("m", [agreement], Tolerance(cosine=0.1), CURE)
    assert raised.value.hint == 'write split = "auto"'
    assert "channels 4-6: 0 to 0 in 1 values" in raised.value.details


def test_a_handful_of_values_is_saturation():
    want = yolo()
    got = want.copy()
    got[:, :, 4:] = in_steps(want[:, :, 4:], 0.8388)
    assert set(reasons(want, got)) == {4, 5, 6}
    assert all("takes 2 values" in text for text in reasons(want, got).values())


def test_int8_of_its_own_range_is_healthy():
    want = yolo()
    got = want.copy()
    got[:, :, 4:] = in_steps(want[:, :, 4:], 1 / 255)
    got[:, :, :4] = in_steps(want[:, :, :4], 600 / 255)
    assert not reasons(want, got)


def test_a_class_that_no_picture_shows_is_not_lost():
    want = yolo()
    want[:, :, 5] *= 0.01
    got = want.copy()
    got[:, :, 4:] = in_steps(want[:, :, 4:], 1 / 255)
    got[:, :, 5] = 0
    assert not reasons(want, got)


def test_a_channel_that_is_never_used_is_not_lost():
    want = np.zeros((2, 1, 2, 20, 20), np.float32)
    want[:, :, 0] = RANDOM.uniform(-8, 8, (2, 1, 20, 20))
    want[0, 0, 1, 3, 3] = 0.01
    assert not reasons(want, in_steps(want, 16 / 255))


def test_small_coefficients_beside_boxes_are_lost():
    """Mask coefficients are no scores, and below zero as well."""
    want = yolo()
    want[:, :, 4:] = RANDOM.uniform(-1, 1, want[:, :, 4:].shape)
    assert set(reasons(want, in_steps(want, 2.5))) == {4, 5, 6}


def test_a_channel_of_other_values_is_lost_unless_the_tolerance_is_wide():
    want = yolo()
    got = want.copy()
    got[:, :, 4] = want[:, :, 4, ::-1]
    assert "has cosine" in reasons(want, got)[4]
    assert not reasons(want, got, cosine=0.0)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((9, 1, 84, 8400), 2), ((9, 1, 8400, 84), 3), ((9, 1, 3, 23, 40), 2), ((9, 1, 10), None), ((9, 1, 8, 4, 4, 4), 2)],
)
def test_where_channels_lie(shape, axis):
    assert channel_axis(shape) == axis


def test_a_list_the_other_way_round_counts_too():
    want = yolo().transpose(0, 1, 3, 2)
    assert set(reasons(want, in_steps(want, 2.5))) == {4, 5, 6}


def test_neighbours_of_a_kind_are_one_line():
    want = yolo()
    lines = summarise(compare_channels(want, want))
    assert [line.partition(":")[0] for line in lines] == ["channels 0-3", "channels 4-6"]
    assert "256 or more values" in lines[0]
