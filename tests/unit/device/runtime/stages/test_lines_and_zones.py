"""What crosses lines and who is in which area: counted once, told once, whatever trembles."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgekit.device.runtime.stages.lines import Lines
from edgekit.device.runtime.stages.zones import Zones
from edgekit.schema.reader import from_raw
from edgekit.schema.stages.scene import LinesOptions, ZonesOptions
from edgekit.stage import Detection, Frame, SceneEvent
from tests.fakes.frames import frame, stage_context

GATE = {"gate": {"start_px": [100, 200], "end_px": [100, 0]}}
"""Upwards: from its left to its right is to the right in the picture."""
YARD = {"yard": [[100, 0], [200, 0], [200, 100], [100, 100]]}


def lines(**options: Any) -> Lines:
    options = {"lines": GATE, "anchor": "centre", **options}
    return Lines(stage_context(from_raw(LinesOptions, options, "recipe.toml"), name="gate"))


def zones(**options: Any) -> Zones:
    options = {"zones": YARD, "anchor": "centre", **options}
    return Zones(stage_context(from_raw(ZonesOptions, options, "recipe.toml"), name="yard"))


def person(x: float, y: float = 100, track: int = 1, label: str = "person") -> Detection:
    return Detection(label=label, x_px=x, y_px=y, height_px=40, width_px=20, score=0.9, track=track)


def walk(stage: Lines | Zones, places: Iterable[tuple[float, float]], *, start: int = 0) -> list[SceneEvent]:
    return [event for index, (x, y) in enumerate(places, start) for event in see(stage, index, person(x, y)).events]


def see(stage: Lines | Zones, index: int, *found: Detection) -> Frame:
    made = frame(index, detections=found)
    made.captured_s = index / 10
    done = stage(made)
    assert done is not None
    return done


def test_a_crossing_is_counted_by_label_and_direction() -> None:
    stage = lines()
    (event,) = walk(stage, [(x, 100) for x in range(50, 150, 10)])
    assert event == SceneEvent(kind="crossed", place="gate", label="person", track=1, direction="in")
    (back,) = walk(stage, [(x, 100) for x in range(150, 50, -10)], start=10)
    assert back.direction == "out"
    assert see(stage, 20).counts == {"gate person in": 1, "gate person out": 1}


def test_what_passes_beside_the_line_does_not_cross_it() -> None:
    assert walk(lines(), [(x, 300) for x in range(50, 150, 10)]) == []


def test_what_trembles_on_the_line_does_not_count() -> None:
    stage = lines(margin_px=4.0)
    assert walk(stage, [(50, 100)] * 3 + [(98, 100), (103, 100)] * 20) == []
    assert [event.direction for event in walk(stage, [(105, 100)], start=50)] == ["in"]


def test_a_jump_over_the_line_counts_where_the_way_meets_it() -> None:
    stage = lines()
    assert walk(stage, [(50, 190)] * 3 + [(150, 230)]) == [], "at y 210 it passes below the line's end"
    assert len(walk(lines(), [(50, 190)] * 3 + [(150, 200)])) == 1


def test_a_track_is_believed_only_after_some_frames_and_counts_from_where_it_came() -> None:
    assert walk(lines(min_frames=5), [(x, 100) for x in (50, 90, 110)]) == []
    assert len(walk(lines(min_frames=5), [(x, 100) for x in (50, 90, 110, 130, 150)])) == 1


def test_where_a_box_stands_counts_by_default() -> None:
    flat = {"kerb": {"start_px": [0, 120], "end_px": [200, 120]}}
    events = walk(lines(lines=flat, anchor="bottom"), [(50, y) for y in (80, 90, 95, 104, 110)])
    assert [event.direction for event in events] == ["in"], "its feet are 20 px below its centre"


def test_the_name_is_that_of_most_frames() -> None:
    stage = lines()
    for index, label in enumerate(["person", "person", "bicycle", "person"]):
        found = see(stage, index, person(60 + 20 * index, label=label)).events
    assert [event.label for event in found] == ["person"]


def test_what_is_not_tracked_counts_nowhere() -> None:
    stage = lines()
    assert [see(stage, index, person(50 + 20 * index, track=0)).events for index in range(6)] == [()] * 6


@given(st.lists(st.tuples(st.floats(0, 200), st.floats(1, 199)), min_size=4, max_size=60))
def test_ins_and_outs_follow_each_other(places: list[tuple[float, float]]) -> None:
    """Between the ends of a line that reaches over the picture, nobody comes in twice without leaving."""
    directions = [event.direction for event in walk(lines(), places)]
    assert all(one != other for one, other in itertools.pairwise(directions))


def test_counts_of_other_stages_stay() -> None:
    made = frame(0)
    made.counts, made.events = {"other": 3}, (SceneEvent(kind="left", place="x", label="y", track=1),)
    done = lines()(made)
    assert done is not None and (done.counts, len(done.events)) == ({"other": 3}, 1)


def test_entering_staying_and_leaving_are_told_once_with_their_time() -> None:
    stage = zones(stay_s=1.0)
    events = walk(stage, [(50, 50)] * 3 + [(150, 50)] * 20 + [(250, 50)] * 3)
    assert [(event.kind, event.seconds) for event in events] == [("entered", 0.0), ("stayed", 1.0), ("left", 2.0)]
    assert see(stage, 40).counts == {"yard person": 1}


def test_who_is_not_seen_any_more_has_left() -> None:
    stage = zones(forget_s=0.5)
    walk(stage, [(150, 50)] * 6)
    found = [event for index in range(6, 20) for event in see(stage, index).events]
    assert [(event.kind, event.seconds) for event in found] == [("left", 0.3)]


def test_coming_back_is_entering_again() -> None:
    stage = zones()
    walk(stage, [(150, 50)] * 4 + [(250, 50)] * 2 + [(150, 50)] * 2)
    assert see(stage, 9).counts == {"yard person": 2}


def test_a_restart_begins_at_zero() -> None:
    for stage in (lines(), zones()):
        walk(stage, [(x, 50) for x in range(50, 180, 10)])
        stage.reset()
        assert see(stage, 30).counts == {}
