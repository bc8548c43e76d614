from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.device.runtime.stages.count import Count
from edgekit.schema.reader import from_raw
from edgekit.schema.stages.scene import CountOptions
from edgekit.stage import Detection
from tests.fakes.frames import frame, stage_context


def count(**options: Any) -> Count:
    options = {"line_x_px": 320.0, **options}
    return Count(stage_context(from_raw(CountOptions, options, "recipe.toml"), name="count"))


def seen(number: int, x_px: float, colour: str = "red", label: str = "disc") -> Detection:
    return Detection(label=label, colour=colour, x_px=x_px, y_px=100, score=0.9, track=number)


def play(stage: Count, *frames: list[Detection]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for index, found in enumerate(frames):
        counts = stage(frame(index, detections=tuple(found))).counts
    return counts


def test_a_track_counts_when_it_crosses() -> None:
    stage = count()
    assert play(stage, [seen(1, 290)], [seen(1, 305)], [seen(1, 319.9)]) == {}
    assert play(stage, [seen(1, 320)]) == {"red disc": 1}


def test_a_track_that_trembles_on_the_line_counts_once() -> None:
    places = (300, 315, 321, 319, 322, 318, 330)
    assert play(count(), *([seen(1, x)] for x in places)) == {"red disc": 1}


def test_a_track_first_seen_beyond_the_line_does_not_count() -> None:
    assert play(count(), *([seen(1, x)] for x in (325, 340, 355))) == {}


def test_most_frames_name_it() -> None:
    frames = [[seen(1, 280, "blue")], [seen(1, 295)], [seen(1, 310, label="square")], [seen(1, 325)]]
    assert play(count(), *frames) == {"red disc": 1}


def test_without_a_colour_the_label_is_the_name() -> None:
    assert play(count(), *([seen(1, x, colour="")] for x in (300, 315, 325))) == {"disc": 1}


def test_seen_too_shortly_or_without_a_track_is_not_counted() -> None:
    assert play(count(min_frames=3), [seen(1, 310)], [seen(1, 325)]) == {}
    assert play(count(), *([seen(0, x)] for x in (300, 315, 325))) == {}


def test_reset_begins_at_zero_and_leaves_what_was_handed_on() -> None:
    stage = count()
    before = play(stage, *([seen(1, x)] for x in (300, 315, 325)))
    stage.reset()
    assert play(stage, [seen(1, 330)]) == {}
    assert before == {"red disc": 1}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["red", "blue"])), min_size=1, max_size=20))
def test_counts_each_part_that_passes_whatever_comes_together(arrivals: list[tuple[int, str]]) -> None:
    frames = [
        [
            seen(number, 260 + 14 * (frame - start), colour)
            for number, (start, colour) in enumerate(arrivals, 1)
            if start <= frame
        ]
        for frame in range(30)
    ]
    counts = play(count(), *frames)
    assert counts == {
        f"{name} disc": total for name in ("red", "blue") if (total := sum(colour == name for _, colour in arrivals))
    }


def test_a_camera_that_never_ends_fills_no_memory_and_loses_nothing_in_sight() -> None:
    stage = count()
    lasting = (seen(1, 290), seen(1, 300))
    frames = [[lasting[number % 2], seen(number, 10)] for number in range(2, 5000)]
    assert play(stage, *frames, [seen(1, 321)]) == {"red disc": 1}
    assert len(stage._seen) <= 1000
