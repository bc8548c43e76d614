from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.stages.track import Track
from edgekit.errors import InputError
from edgekit.schema.reader import from_raw
from edgekit.schema.stages.tracking import TrackOptions
from edgekit.stage import Detection
from tests.fakes.frames import frame, stage_context

BELT = {"velocity_px": [14.0, 0.0], "max_distance_px": 30.0}


def track(**options: Any) -> Track:
    return Track(stage_context(from_raw(TrackOptions, options, "recipe.toml"), name="follow"))


def numbers(stage: Track, index: int, *places: tuple[float, float]) -> list[int]:
    found = tuple(Detection(label="disc", colour="red", x_px=x, y_px=y, score=0.9) for x, y in places)
    return [one.track for one in stage(frame(index, detections=found)).detections]


def test_a_part_keeps_its_number_whatever_the_order() -> None:
    stage = track(**BELT)
    assert numbers(stage, 0, (100, 60), (100, 120)) == [1, 2]
    assert numbers(stage, 1, (114, 120), (114, 60)) == [2, 1]


def test_the_nearest_pair_matches_first() -> None:
    stage = track(max_distance_px=50.0)
    numbers(stage, 0, (100, 60), (140, 60))
    assert numbers(stage, 1, (139, 60), (180, 60)) == [2, 3], "40 px away is nearer to nobody than the stranger's 1"


def test_survives_missed_frames_and_no_more() -> None:
    stage = track(**BELT, max_missed=2)
    numbers(stage, 0, (100, 60))
    assert numbers(stage, 1) == numbers(stage, 2) == []
    assert numbers(stage, 3, (142, 60)) == [1]
    assert numbers(stage, 4) == numbers(stage, 5) == numbers(stage, 6) == []
    assert numbers(stage, 7, (198, 60)) == [2]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=30))
def test_dropped_frames_do_not_lose_a_part(steps: list[int]) -> None:
    stage, index = track(**BELT, max_missed=1), 0
    for step in steps:
        assert numbers(stage, index, (14.0 * index, 60), (14.0 * index - 70, 60)) == [1, 2]
        index += step


def test_reset_begins_at_one_again() -> None:
    stage = track()
    numbers(stage, 0, (100, 60), (200, 60))
    stage.reset()
    assert numbers(stage, 0, (200, 60)) == [1]


def test_a_part_that_moves_down_is_expected_below() -> None:
    stage = track(velocity_px=[0.0, 14.0], max_distance_px=5.0)
    assert [numbers(stage, index, (100, 60 + 14 * index)) for index in range(3)] == [[1], [1], [1]]
    assert numbers(stage, 3, (100, 60)) == [2]


def test_a_part_is_expected_one_frames_way_further_and_its_speed_is_learnt() -> None:
    stage = track(velocity_px=[14.0, 0.0], max_distance_px=7.0)
    assert [numbers(stage, index, (20 * index, 60)) for index in range(8)] == [[1]] * 8
    assert numbers(stage, 10, (200, 60)) == [1], "by then its speed is known: 20, and not 14"


def test_whoever_is_found_again_has_all_its_patience_again() -> None:
    stage = track(**BELT, max_missed=2)
    numbers(stage, 0, (100, 60))
    for found_at in (3, 6, 9):
        assert numbers(stage, found_at - 2) == numbers(stage, found_at - 1) == []
        assert numbers(stage, found_at, (100 + 14 * found_at, 60)) == [1]


def test_frames_that_the_camera_lost_count_as_missed() -> None:
    stage = track(**BELT, max_missed=2)
    numbers(stage, 0, (100, 60))
    stage.gap(2)
    assert numbers(stage, 3, (142, 60)) == [1]
    stage.gap(3)
    assert numbers(stage, 7, (198, 60)) == [2], "what came and went in the gap is nobody's guess"


@settings(deadline=None, max_examples=25)
@given(st.lists(st.lists(st.tuples(st.floats(0, 640), st.floats(0, 360)), max_size=8), max_size=12))
def test_numbers_are_unique_in_a_frame_and_the_same_every_time(frames: list[list[tuple[float, float]]]) -> None:
    one, other = track(**BELT), track(**BELT)
    for index, places in enumerate(frames):
        found = numbers(one, index, *places)
        assert len(set(found)) == len(places) and all(found)
        assert found == numbers(other, index, *places)


def test_every_wrong_option_is_told_at_once() -> None:
    with pytest.raises(InputError) as error:
        track(velocity_px=[1.0], max_missed=-1, max_distance_px=-2.0)
    assert all(key in error.value.message for key in ("3 mistakes", "velocity_px", "max_missed", "max_distance_px"))
