"""The application stages: peaks, colours, tracks, counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.device.image.frames import FrameSpec, RgbImage
from edgekit.device.worker.item import Detection, Item
from edgekit.device.worker.stages import StageContext, find_class
from edgekit.errors import InputError
from edgekit.schema.recipe import ColourContract

FRAMES = FrameSpec(width_px=640, height_px=360, matrix="709", range="limited")
CONTRACT = ColourContract(width_px=160, height_px=90, order="RGB")
PALETTE = {"red": [200, 45, 40], "blue": [40, 80, 195]}


def stage(kind: str, **options: Any) -> Any:
    context = StageContext(
        name="it",
        options=options,
        frames=FRAMES,
        fps=10.0,
        release=Path(),
        runner=None,
        contract=CONTRACT,
    )
    return find_class(kind, "")(context)


def item(*detections: Detection) -> Item:
    image = RgbImage(pixels=np.zeros((360, 640, 3), np.uint8), order="RGB")
    return Item(source="s", index=0, loop=0, captured_s=0.0, image=image, detections=detections)


def at(x_px: float, y_px: float = 100.0, label: str = "disc", colour: str = "red", track: int = 0) -> Detection:
    return Detection(label=label, colour=colour, x_px=x_px, y_px=y_px, score=0.9, track=track)


def heat_of(*peaks: tuple[int, int, int, float]) -> dict[str, np.ndarray]:
    heat = np.full((1, 2, 23, 40), 0.01, np.float32)
    for channel, row, column, score in peaks:
        heat[0, channel, row, column] = score
    return {"heat": heat, "offset": np.full((1, 2, 23, 40), 0.25, np.float32)}


def test_peaks_become_detections_in_the_sources_pixels() -> None:
    given_ = item()
    given_.outputs = heat_of((0, 5, 10, 0.9), (1, 20, 39, 0.7), (0, 5, 11, 0.6), (0, 12, 3, 0.2))
    found = stage("centres", labels=["disc", "square"], threshold=0.4)(given_).detections
    # Cell 10 and a quarter, 4 px apart, from the middle of pixel 0, scaled by 4 to the source.
    assert [(one.label, one.x_px, one.y_px) for one in found] == [
        ("disc", (10.25 * 4 + 0.5) * 4, (5.25 * 4 + 0.5) * 4),
        ("square", (39.25 * 4 + 0.5) * 4, (20.25 * 4 + 0.5) * 4),
    ]


def test_two_labels_never_claim_one_part() -> None:
    given_ = item()
    given_.outputs = heat_of((0, 5, 10, 0.8), (1, 5, 10, 0.9))
    assert [one.label for one in stage("centres", labels=["disc", "square"])(given_).detections] == ["square"]


def test_colours_are_named_by_the_nearest_and_far_ones_are_unknown() -> None:
    given_ = item(at(40 * 4, 40 * 4), at(80 * 4, 40 * 4), at(120 * 4, 40 * 4))
    given_.rgb = np.zeros((90, 160, 3), np.uint8)
    given_.rgb[38:43, 38:43] = (190, 60, 50)
    given_.rgb[38:43, 78:83] = (50, 70, 200)
    given_.rgb[40, 80] = (200, 45, 40)  # a speck does not count
    given_.rgb[38:43, 118:123] = (250, 250, 250)
    found = stage("colour", palette=PALETTE)(given_).detections
    assert [one.colour for one in found] == ["red", "blue", "unknown"]


def test_a_detection_outside_the_picture_has_no_colour() -> None:
    given_ = item(at(-50, -50))
    given_.rgb = np.zeros((90, 160, 3), np.uint8)
    assert stage("colour", palette=PALETTE)(given_).detections[0].colour == "unknown"


def test_tracks_keep_their_numbers_over_gaps() -> None:
    track = stage("track", velocity_px=[14.0, 0.0], max_missed=3)
    seen = [
        [one.track for one in track(item(*frame)).detections]
        for frame in ((at(0), at(100)), (at(114), at(14)), (), (at(142), at(42)), (at(500),))
    ]
    assert seen == [[1, 2], [2, 1], [], [2, 1], [3]]
    track.reset()
    assert track(item(at(0))).detections[0].track == 1


def test_a_track_counts_once_under_its_majoritys_name() -> None:
    count = stage("count", line_x_px=320.0)
    for x_px, colour in ((300, "red"), (310, "red"), (325, "blue"), (318, "red"), (330, "red")):
        counts = count(item(at(x_px, colour=colour, track=1))).counts
    assert counts == {"red disc": 1}
    count.reset()
    assert count(item()).counts == {}


def test_what_is_first_seen_beyond_the_line_never_counts() -> None:
    count = stage("count", line_x_px=320.0)
    for x_px in (330, 340, 350):
        counts = count(item(at(x_px, track=1))).counts
    assert counts == {}


@given(st.lists(st.floats(0, 300), min_size=1, max_size=12, unique=True))
def test_every_part_that_passes_is_counted_exactly_once(starts: list[float]) -> None:
    rows = {index: 30.0 + 60 * index for index in range(len(starts))}
    track, count = stage("track", velocity_px=[14.0, 0.0]), stage("count", line_x_px=320.0)
    counts: dict[str, int] = {}
    for frame in range(60):
        parts = [at(start + 14.0 * frame - 100, rows[row]) for row, start in enumerate(starts)]
        counts = count(track(item(*parts))).counts
    assert counts == {"red disc": len(starts)}


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("centres", {"labls": ["disc"]}, "labls: unknown key; did you mean labels"),
        ("colour", {"palette": {"red": [1, 2]}}, "palette: red"),
        ("colour", {"palette": {}}, "palette: it is empty"),
        ("count", {}, "line_x_px: missing"),
        ("track", {"max_missed": "3"}, "expected a whole number"),
    ],
)
def test_wrong_options_are_told(kind: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        stage(kind, **options)
