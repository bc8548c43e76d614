"""Masks become polygons: against a plain loop over pixels, by known shapes, through a letterbox, and bounded."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edgekit.device.runtime.heads.masks import MOST_POINTS, MOST_POLYGONS, masks_of
from edgekit.device.runtime.stages.detect import Detect
from edgekit.imaging.fit import Fit, plan_fit
from edgekit.imaging.image import RgbSpec
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import ColourContract
from edgekit.schema.stages.detect import DetectOptions
from edgekit.stage import ModelResult
from tests.fakes.frames import frame, stage_context, stream_info

SIDE, CELLS = 128, 32
ALIKE = Fit(source_width_px=SIDE, source_height_px=SIDE, width_px=SIDE, height_px=SIDE)


def disc(x: float, y: float, radius: float, sharpness: float = 1.0) -> np.ndarray:
    """A prototype [CELLS, CELLS]: positive within a disc of the input."""
    middles = (np.arange(CELLS) + 0.5) * SIDE / CELLS
    away = np.hypot(middles[None] - x, middles[:, None] - y)
    return ((radius - away) * sharpness).astype(np.float32)


def painted(outline, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    canvas = np.zeros((height, width), np.uint8)
    for polygon in outline:
        cv2.fillPoly(canvas, [np.round(np.array(polygon).reshape(-1, 2) - 0.5).astype(np.int32)], 1)
    return canvas.astype(bool)


def by_loop(coefficients, prototypes, box) -> np.ndarray:
    """Pixel by pixel: prototypes between their cells, weighted, through a sigmoid, over one half, within the box."""
    inside = np.zeros((SIDE, SIDE), bool)
    scale = SIDE / CELLS
    for y in range(math.floor(box[1]), math.ceil(box[3])):
        for x in range(math.floor(box[0]), math.ceil(box[2])):
            column = min(max((x + 0.5) / scale - 0.5, 0), CELLS - 1)
            row = min(max((y + 0.5) / scale - 0.5, 0), CELLS - 1)
            left, top = min(int(column), CELLS - 2), min(int(row), CELLS - 2)
            total = 0.0
            for weight, prototype in zip(coefficients, prototypes, strict=True):
                near = prototype[top : top + 2, left : left + 2]
                upper = near[0, 0] + (near[0, 1] - near[0, 0]) * (column - left)
                lower = near[1, 0] + (near[1, 1] - near[1, 0]) * (column - left)
                total += weight * (upper + (lower - upper) * (row - top))
            inside[y, x] = 1 / (1 + math.exp(-total)) > 0.5
    return inside


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_a_loop_over_pixels_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    others = [disc(*random.uniform(30, 98, 2), random.uniform(12, 30)) for _ in range(2)]
    prototypes = np.stack([disc(64, 64, 50), *others])
    coefficients = np.array([1, *random.uniform(0.1, 0.4, 2)], np.float32)
    box = np.array([20.5, 25.25, 110.75, 101.5], np.float32)
    (found,) = masks_of(coefficients[None], prototypes, box[None], ALIKE, (SIDE, SIDE))
    wanted = by_loop(coefficients, prototypes, box)
    assert wanted.any()
    # OpenCV weighs neighbours in steps of 1/32: pixels upon the edge itself may differ
    assert found.area_px == pytest.approx(wanted.sum(), abs=max(4, 0.01 * wanted.sum()))
    assert overlap(painted(found.outline), wanted) > 0.97


def test_a_disc_has_the_area_of_a_disc() -> None:
    box = np.array([[10, 10, 120, 120]], np.float32)
    (found,) = masks_of(np.ones((1, 1), np.float32), disc(64, 64, 40)[None], box, ALIKE, (SIDE, SIDE))
    assert found.area_px == pytest.approx(math.pi * 40**2, rel=0.02)
    assert cv2.contourArea(np.array(found.outline[0], np.float32).reshape(-1, 2)) == pytest.approx(
        math.pi * 40**2, rel=0.06
    )
    assert len(found.outline) == 1


def test_it_ends_at_its_box() -> None:
    box = np.array([[64, 10, 120, 120]], np.float32)
    (found,) = masks_of(np.ones((1, 1), np.float32), disc(64, 64, 40)[None], box, ALIKE, (SIDE, SIDE))
    assert min(found.outline[0][::2]) >= 64
    assert found.area_px == pytest.approx(math.pi * 40**2 / 2, rel=0.03)


def test_noise_is_bounded() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (4, CELLS, CELLS)).astype(np.float32)
    whole = np.array([[0, 0, SIDE, SIDE]], np.float32)
    (found,) = masks_of(np.ones((1, 4), np.float32), noise, whole, ALIKE, (SIDE, SIDE))
    assert len(found.outline) == MOST_POLYGONS
    assert all(6 <= len(polygon) <= 2 * MOST_POINTS for polygon in found.outline)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_and_a_box_beside_the_picture_have_no_mask(bad: float) -> None:
    prototype = disc(64, 64, 40)[None]
    whole, beside = [[0, 0, SIDE, SIDE]], [[-50, 0, -10, 20]]
    for coefficients, box in (([[bad]], whole), ([[1.0]], beside)):
        (found,) = masks_of(np.float32(coefficients), prototype, np.float32(box), ALIKE, (SIDE, SIDE))
        assert (found.outline, found.area_px) == ((), 0.0)
    prototype[0, 3, 3] = bad
    (found,) = masks_of(np.ones((1, 1), np.float32), prototype, np.float32(whole), ALIKE, (SIDE, SIDE))
    assert np.isfinite(found.area_px)


def options(**more: object) -> DetectOptions:
    raw = {"head": "yolov8", "labels": ["disc"], "outputs": ["output0"], **more}
    return from_raw(DetectOptions, raw, "recipe.toml")


def detect(wanted: DetectOptions, outputs: dict[str, np.ndarray], width: int = 256, height: int = 128):
    contract = ColourContract(width_px=SIDE, height_px=SIDE, order="RGB", fit="letterbox")
    stream = stream_info(spec=RgbSpec(width_px=width, height_px=height, order="RGB"))
    stage = Detect(stage_context(wanted, stream=stream, contract=contract))
    return stage(frame(result=ModelResult(outputs=outputs))).detections


def test_a_detection_has_its_mask_in_the_pictures_pixels() -> None:
    """256x128 in 128x128: half as large, with 32 pixels above."""
    row = np.array([64, 64, 50, 50, 0.9, 2.0, -1.0], np.float32)
    prototypes = np.stack([disc(64, 64, 20), np.zeros((CELLS, CELLS), np.float32)])
    outputs = {"output0": row[None, :, None], "output1": prototypes[None]}
    (found,) = detect(options(outputs=["output0", "output1"], masks=2), outputs)
    assert (found.x_px, found.y_px, found.width_px, found.height_px) == pytest.approx((128, 64, 100, 100))
    assert found.area_px == pytest.approx(math.pi * 40**2, rel=0.03)
    (polygon,) = found.outline
    assert min(polygon[::2]) == pytest.approx(88, abs=2)
    assert max(polygon[1::2]) == pytest.approx(104, abs=2)


@pytest.mark.parametrize("values", [2, 3])
def test_a_detection_has_its_points_in_the_pictures_pixels(values: int) -> None:
    points = {2: [54, 64, 74, 44], 3: [54, 64, 0.9, 74, 44, 0.25]}[values]
    row = np.array([64, 64, 50, 50, 0.9, *points], np.float32)
    (found,) = detect(options(keypoints=["nose", "tail"]), {"output0": row[None, :, None]})
    nose, tail = found.keypoints
    assert (nose.name, nose.x_px, nose.y_px) == ("nose", 108, 64)
    assert (tail.name, tail.x_px, tail.y_px) == ("tail", 148, 24)
    assert (nose.score, tail.score) == pytest.approx((0.9, 0.25) if values == 3 else (1, 1))


def test_points_that_are_no_numbers_are_left_out() -> None:
    row = np.array([64, 64, 50, 50, 0.9, np.nan, 64, 0.5, 74, 44, np.inf, 10, 20, 0.5], np.float32)
    (found,) = detect(options(keypoints=["a", "b", "c"]), {"output0": row[None, :, None]})
    assert [point.name for point in found.keypoints] == ["c"]


def test_fits_move_arrays_as_they_move_points() -> None:
    fit = plan_fit(300, 100, ColourContract(width_px=64, height_px=64, order="RGB", fit="letterbox"))
    points = np.random.default_rng(0).uniform(0, 64, (7, 2)).astype(np.float32)
    for (x, y), moved in zip(points.tolist(), fit.points_to_source(points), strict=True):
        assert moved == pytest.approx(fit.to_source(x, y), abs=1e-3)
