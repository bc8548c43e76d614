"""Boxes keep their numbers through crowds, weak frames and short absences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.stages.bytetrack import Bytetrack
from edgekit.device.runtime.stages.motion import BoxMotion, overlaps
from edgekit.schema.reader import from_raw
from edgekit.schema.stages.tracking import BytetrackOptions
from edgekit.stage import Detection
from tests.fakes.frames import frame, stage_context

Box = tuple[float, float] | tuple[float, float, float] | tuple[float, float, float, str]


def tracker(**options: Any) -> Bytetrack:
    return Bytetrack(stage_context(from_raw(BytetrackOptions, options, "recipe.toml"), name="follow"))


def numbers(stage: Bytetrack, index: int, *boxes: Box) -> list[int]:
    """Of boxes of 40 x 80 px: centre, score, label."""
    found = []
    for x, y, *more in boxes:
        score, label = (*more, *(0.9, "person")[len(more) :])
        found.append(Detection(label=str(label), x_px=x, y_px=y, width_px=40, height_px=80, score=float(score)))
    return [one.track for one in stage(frame(index, detections=tuple(found))).detections]


def test_a_box_gets_its_number_when_it_is_seen_again() -> None:
    stage = tracker()
    assert numbers(stage, 0, (100, 100), (300, 100)) == [0, 0]
    assert numbers(stage, 1, (304, 100), (104, 100)) == [2, 1]
    assert numbers(stage, 2, (108, 100), (308, 100)) == [1, 2]


def test_what_is_seen_once_gets_none() -> None:
    stage = tracker()
    numbers(stage, 0, (100, 100))
    numbers(stage, 1)
    assert numbers(stage, 2, (100, 100)) == [0]
    assert numbers(stage, 3, (100, 100)) == [1]


def test_a_weak_box_goes_on_and_never_begins() -> None:
    stage = tracker()
    for index in range(3):
        numbers(stage, index, (100, 100), (300, 100, 0.3))
    assert numbers(stage, 3, (100, 102, 0.2), (300, 100, 0.3)) == [1, 0]
    assert numbers(stage, 4, (100, 102, 0.05)) == [0], "below weak_score it is nobody's"
    assert numbers(stage, 5, (100, 102, 0.2)) == [0], "after a frame without it a weak one is not enough"
    assert numbers(stage, 6, (100, 102)) == [1]


def test_two_that_cross_keep_their_numbers() -> None:
    stage = tracker()
    for index in range(41):
        left, right = 100 + 5.0 * index, 300 - 5.0 * index
        found = numbers(stage, index, (left, 100), (right, 130))
        assert index < 1 or found == [1, 2]


def test_an_absence_is_bridged_where_it_was_going() -> None:
    stage = tracker(max_missed=10)
    for index in range(10):
        numbers(stage, index, (100 + 6.0 * index, 100))
    for index in range(10, 16):
        numbers(stage, index)
    assert numbers(stage, 16, (100 + 6.0 * 16, 100)) == [1], "96 px on: two boxes away from where it was last"


def test_who_is_away_for_too_long_is_another() -> None:
    stage = tracker(max_missed=3)
    numbers(stage, 0, (100, 100))
    numbers(stage, 1, (100, 100))
    for index in range(2, 6):
        numbers(stage, index)
    assert [numbers(stage, index, (100, 100)) for index in (6, 7)] == [[0], [2]]


def test_a_gap_of_the_camera_is_an_absence() -> None:
    stage = tracker(max_missed=3)
    numbers(stage, 0, (100, 100))
    numbers(stage, 1, (100, 100))
    stage.gap(4)
    assert [numbers(stage, index, (100, 100)) for index in (6, 7)] == [[0], [2]]


def test_labels_are_not_mixed() -> None:
    stage = tracker()
    for index in range(3):
        found = numbers(stage, index, (100, 100, 0.9, "person"), (102, 100, 0.9, "bicycle"))
    assert sorted(found) == [1, 2]
    assert numbers(stage, 3, (102, 100, 0.9, "bicycle"), (100, 100, 0.9, "person")) == found[::-1]


def test_a_restart_begins_at_one_again() -> None:
    stage = tracker()
    numbers(stage, 0, (100, 100))
    numbers(stage, 1, (100, 100))
    stage.reset()
    assert [numbers(stage, index, (300, 100)) for index in (2, 3)] == [[0], [1]]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 4), min_size=5, max_size=40))
def test_dropped_frames_do_not_lose_who_walks_on(steps: list[int]) -> None:
    stage, index = tracker(), 0
    for count, step in enumerate(steps):
        found = numbers(stage, index, (100 + 3.0 * index, 100), (900 - 3.0 * index, 400))
        assert count < 1 or found == [1, 2]
        index += step


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1)
            ),
            max_size=8,
        ),
        max_size=12,
    )
)
def test_whatever_is_found_each_number_is_given_once(frames: list[list[tuple[float, ...]]]) -> None:
    stage = tracker()
    for index, boxes in enumerate(frames):
        found = tuple(Detection(label="a", x_px=x, y_px=y, width_px=w, height_px=h, score=s) for x, y, w, h, s in boxes)
        given_now = [one.track for one in stage(frame(index, detections=found)).detections if one.track]
        assert len(set(given_now)) == len(given_now)
        assert np.isfinite(stage._motion.place).all()


def test_motion_finds_the_speed() -> None:
    motion = BoxMotion()
    motion.add(np.array([[0.0, 0.0, 40.0, 80.0]]))
    for step in range(1, 60):
        motion.advance(1)
        motion.correct(np.array([0]), np.array([[5.0 * step, -3.0 * step, 40.0, 80.0]]))
    motion.advance(10)
    assert motion.place[0] == pytest.approx([5.0 * 69, -3.0 * 69, 40.0, 80.0], abs=1.0)


def test_overlaps() -> None:
    one = np.array([[10.0, 10, 20, 20], [10, 10, 0, 0]])
    other = np.array([[10.0, 10, 20, 20], [20, 10, 20, 20], [100, 100, 20, 20]])
    assert overlaps(one, other) == pytest.approx(np.array([[1, 1 / 3, 0], [0, 0, 0]]))
