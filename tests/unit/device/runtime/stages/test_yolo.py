"""YOLO's output becomes boxes: against a second way of doing it, one box at a time, and by hand through a letterbox."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.device.runtime.stages.detect import Yolo
from edgekit.errors import InputError
from edgekit.imaging.image import RgbSpec
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import ColourContract
from edgekit.schema.stages.yolo import YoloOptions
from edgekit.stage import ModelResult
from tests.fakes.frames import frame, stage_context, stream_info

LABELS = ("person", "car", "dog")


def stage(width=640, height=360, fit="letterbox", **options) -> Yolo:
    contract = ColourContract(width_px=320, height_px=320, order="RGB", fit=fit)
    options = from_raw(YoloOptions, {"labels": list(LABELS), **options}, "recipe.toml")
    stream = stream_info(spec=RgbSpec(width_px=width, height_px=height, order="RGB"))
    return Yolo(stage_context(options, stream=stream, contract=contract))


def found(made: Yolo, output: np.ndarray, name: str = "output0"):
    return made(frame(result=ModelResult(outputs={name: output}))).detections


def output_of(*rows: tuple[float, ...]) -> np.ndarray:
    """[1, 7, anchors]."""
    return np.array(rows, np.float32).reshape(-1, 7).T[None]


def random_output(seed: int, anchors: int = 300) -> np.ndarray:
    random = np.random.default_rng(seed)
    middles = random.uniform(0, 320, (anchors // 10, 2)).repeat(10, axis=0) + random.normal(0, 6, (anchors, 2))
    sizes = random.uniform(5, 120, (anchors // 10, 2)).repeat(10, axis=0) * random.uniform(0.8, 1.2, (anchors, 2))
    scores = np.round(random.uniform(0, 1, (anchors, 3)) ** 3, 2)  # rounded: some are equal
    return np.concatenate([middles, sizes, scores], axis=1).astype(np.float32).T[None]


def by_hand(output: np.ndarray, threshold: float, overlap: float) -> list[tuple[str, float, tuple[float, ...]]]:
    """Without arrays: the picture is 640x360 in 320x320, so it is halved, with 70 pixels of black above and below."""
    boxes = []
    for index, (x, y, w, h, *scores) in enumerate(output[0].T.tolist()):
        best = max(scores)
        if best >= threshold:
            boxes.append((-best, index, scores.index(best), (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
    kept: list[tuple[float, int, int, tuple[float, ...]]] = []
    for one in sorted(boxes):
        if all(one[2] != other[2] or overlap_of(one[3], other[3]) <= overlap for other in kept):
            kept.append(one)
    made = []
    for score, _, label, (left, top, right, bottom) in kept:
        corners = (max(0, left * 2), max(0, (top - 70) * 2), min(640, right * 2), min(360, (bottom - 70) * 2))
        if corners[2] > corners[0] and corners[3] > corners[1]:
            made.append((LABELS[label], -score, corners))
    return made


def overlap_of(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0, width) * max(0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("threshold", "overlap"), [(0.25, 0.45), (0.6, 0.1), (0.05, 0.9)])
def test_it_finds_what_a_second_way_finds(seed, threshold, overlap):
    output = random_output(seed)
    got = found(stage(threshold=threshold, iou=overlap), output)
    want = by_hand(output, threshold, overlap)
    assert [one.label for one in got] == [label for label, _, _ in want]
    for one, (_, score, (left, top, right, bottom)) in zip(got, want, strict=True):
        assert one.score == pytest.approx(score)
        corners = (one.x_px - one.width_px / 2, one.y_px - one.height_px / 2, one.width_px, one.height_px)
        assert corners == pytest.approx((left, top, right - left, bottom - top), abs=1e-3)


def test_through_a_letterbox_into_the_picture_and_cut_off_at_its_edge():
    (one,) = found(stage(), output_of((10, 90, 40, 20, 0.1, 0.9, 0.2)))
    assert (one.label, one.score) == ("car", pytest.approx(0.9))
    # left edge: 10 - 20 = -10 is cut off at 0; right edge: 30 is 60 there; 80..100 is 20..60 without the bar above
    assert (one.x_px, one.y_px, one.width_px, one.height_px) == pytest.approx((30, 40, 60, 40))


def test_a_stretched_picture_has_two_scales():
    (one,) = found(stage(fit="stretch"), output_of((160, 160, 32, 32, 0.9, 0, 0)))
    assert (one.x_px, one.y_px, one.width_px, one.height_px) == pytest.approx((320, 180, 64, 36))


def test_what_lies_in_the_bars_alone_is_no_detection():
    assert not found(stage(), output_of((160, 30, 40, 20, 0.9, 0, 0)))


def test_only_boxes_of_one_class_suppress_each_other():
    same = (160, 160, 40, 40)
    assert [
        one.label for one in found(stage(), output_of((*same, 0.5, 0, 0), (*same, 0.9, 0, 0), (*same, 0, 0.4, 0)))
    ] == [
        "person",
        "car",
    ]


def test_what_is_no_number_is_left_out():
    nan, inf = float("nan"), float("inf")
    rows = ((nan, 160, 9, 9, 0.9, 0, 0), (160, inf, 9, 9, 0.9, 0, 0), (160, 160, 9, 9, nan, nan, nan))
    assert not found(stage(), output_of(*rows))
    assert len(found(stage(), output_of(*rows, (160, 160, 9, 9, 0.9, 0, 0)))) == 1


def test_the_other_way_round_is_the_same():
    output = random_output(1)
    assert found(stage(), output.transpose(0, 2, 1)) == found(stage(), output)


def test_no_more_than_wanted_and_the_strongest():
    rows = [(20 * index + 10, 160, 5, 5, 0.5 + index / 100, 0, 0) for index in range(10)]
    assert [round(one.score, 2) for one in found(stage(most=3), output_of(*rows))] == [0.59, 0.58, 0.57]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (
            np.zeros((1, 9, 100)),
            r"is \[1, 9, 100\], and yolov8 with 3 labels wants \[1, 7, candidates\]",
        ),
        (np.zeros((1, 700)), r"output output0 is \[1, 700\]"),
        (np.zeros((0, 7, 10)), r"output output0 is \[0, 7, 10\], without picture 0"),
        (np.array(1.0), r"output output0 is \[\], without picture 0"),
    ],
)
def test_an_output_of_another_shape_is_told(output, told):
    with pytest.raises(InputError, match=told):
        found(stage(), output)
    with pytest.raises(InputError, match="the model has no output output0"):
        found(stage(), np.zeros((1, 7, 10)), "boxes")


def test_classes_have_thresholds_of_their_own():
    rows = [(20, 160, 9, 9, 0.3, 0, 0), (60, 160, 9, 9, 0, 0.3, 0), (100, 160, 9, 9, 0, 0, 0.3)]
    seen = found(stage(threshold=0.25, thresholds={"person": 0.4, "dog": 0.05}), output_of(*rows))
    assert [one.label for one in seen] == ["car", "dog"]
    seen = found(stage(threshold=0.9, thresholds={"dog": 0.05}), output_of(*rows))
    assert [one.label for one in seen] == ["dog"]


def test_boxes_of_all_classes_suppress_each_other_where_the_recipe_says_so():
    same = (160, 160, 40, 40)
    output = output_of((*same, 0.5, 0, 0), (*same, 0, 0.4, 0), (60, 160, 40, 40, 0, 0, 0.3))
    assert [one.label for one in found(stage(agnostic=True), output)] == ["person", "dog"]


def test_one_endless_box_does_not_swallow_the_others():
    rows = [(160, 160, 1e30, 1e30, 0.9, 0, 0), (40, 160, 20, 20, 0, 0.8, 0), (80, 160, 20, 20, 0, 0.7, 0)]
    assert [round(one.score, 1) for one in found(stage(), output_of(*rows))] == [0.9, 0.8, 0.7]


def test_a_box_left_of_the_picture_is_of_its_own_class():
    """OpenCV tells classes apart by moving them beyond each other: what lies at negative places came upon another."""
    rows = [(310, 160, 20, 20, 0.9, 0, 0), (-10, 160, 20, 20, 0, 0.8, 0), (5, 160, 30, 20, 0, 0.5, 0)]
    assert [one.label for one in found(stage(), output_of(*rows))] == ["person", "car"]


def test_noise_is_bounded_and_nothing_is_found_in_nothing():
    noise = np.random.default_rng(0).uniform(0, 1, (1, 7, 100_000)).astype(np.float32)
    noise[:, :2] *= 320
    assert len(found(stage(most=100_000, iou=1.0), noise)) <= 4096
    assert found(stage(), np.zeros((1, 7, 0), np.float32)) == ()
    assert found(stage(), np.zeros((1, 7, 100), np.float32)) == ()


def test_labels_that_the_build_has_not_filled_in_are_told():
    with pytest.raises(InputError, match="stage stage: its labels are not known") as raised:
        stage(labels=None)
    assert "edgekit build" in raised.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"labels": []},
        {"threshold": 0.0},
        {"threshold": 1.5},
        {"thresholds": {"dog": 2}},
        {"iou": 0},
        {"most": 0},
        {"treshold": 0.5},
    ],
)
def test_options_that_are_wrong_are_told(options):
    with pytest.raises(InputError):
        stage(**options)
