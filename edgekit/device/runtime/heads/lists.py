"""Heads with one list of candidates: YOLOv8 to v12, YOLOv5 to v7, YOLOX, RT-DETR as Ultralytics exports it, NanoDet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgekit.device.runtime.heads.candidates import Floats, Indices, Level, corners
from edgekit.device.runtime.heads.grids import distance_boxes, grid_points
from edgekit.device.runtime.heads.setup import HeadSetup


def yolov8(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """[4 + classes + extra, n]: middle and size, a score for each class, then what masks or points are made of."""
    rows = _rows(setup, outputs[0], 4, usual=True)
    return [_level(rows, 4, setup.classes, lambda some: corners(rows[:2, some].T, rows[2:4, some].T))]


def yolov5(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """[n, 5 + classes + extra]: middle and size, how sure it is that there is anything, a score for each class."""
    rows = _rows(setup, outputs[0], 5)
    return [_level(rows, 5, setup.classes, lambda some: corners(rows[:2, some].T, rows[2:4, some].T))]


def yolox(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """[n, 5 + classes]: places in cells from each cell of three grids, sizes as logarithms; else as YOLOv5."""
    rows = _rows(setup, outputs[0], 5)
    points, strides = grid_points(setup, rows.shape[1], outputs[0], offset=0.0)

    def boxes(some: Indices) -> Floats:
        with np.errstate(over="ignore"):  # an infinite size is left out later
            sizes = np.exp(rows[2:4, some].T) * strides[some, None]
        return corners(rows[:2, some].T * strides[some, None] + points[some], sizes)

    return [_level(rows, 5, setup.classes, boxes)]


def rtdetr(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """[n, 4 + classes]: middle and size in 0..1 of the input, a score for each class; no two of one thing."""
    rows, size = _rows(setup, outputs[0], 4), setup.size
    return [_level(rows, 4, setup.classes, lambda some: corners(rows[:2, some].T * size, rows[2:4, some].T * size))]


def end2end(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """[n, 6 + extra]: corners, score, class; no two of one thing. YOLOv10, YOLO26, and exports with suppression."""
    rows = setup.features_first(outputs[0], (6 + extra for extra in setup.extra_sizes))
    return [
        Level(
            scores=rows[4:5],
            chosen=rows[5],
            boxes=lambda some: np.ascontiguousarray(rows[:4, some].T),
            values=lambda some: np.ascontiguousarray(rows[6:, some].T),
        )
    ]


def nanodet(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """[n, classes + 4 bins]: a score for each class, then a distribution over bins for each side's distance (GFL)."""
    sizes = [setup.classes + 4 * bins for bins in range(2, 65)]
    rows = setup.features_first(outputs[0], sizes)
    points, strides = grid_points(setup, rows.shape[1], outputs[0], offset=0.0)
    return [
        Level(
            scores=rows[: setup.classes],
            boxes=lambda some: distance_boxes(rows[setup.classes :, some].T, points[some], strides[some]),
        )
    ]


def _rows(setup: HeadSetup, output: Floats, before: int, *, usual: bool = False) -> Floats:
    """[values, candidates], where so many values stand before the scores."""
    return setup.features_first(output, (before + setup.classes + extra for extra in setup.extra_sizes), usual=usual)


def _level(rows: Floats, before: int, classes: int, boxes: Callable[[Indices], Floats]) -> Level:
    behind = before + classes
    return Level(
        scores=rows[before:behind],
        certainty=rows[4] if before > 4 else None,
        boxes=boxes,
        values=lambda some: np.ascontiguousarray(rows[behind:, some].T),
    )
