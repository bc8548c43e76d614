"""Heads with maps for each grid: YOLOv5 and v7 before their last layer, and the RKNN model zoo's split heads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from edgekit.device.runtime.heads.candidates import Floats, Indices, Level, corners, sigmoid
from edgekit.device.runtime.heads.grids import cells, distance_boxes
from edgekit.device.runtime.heads.setup import HeadSetup

YOLOV5_ANCHORS = (
    (10.0, 13.0, 16.0, 30.0, 33.0, 23.0),
    (30.0, 61.0, 62.0, 45.0, 59.0, 119.0),
    (116.0, 90.0, 156.0, 198.0, 373.0, 326.0),
)
"""Width and height in turn, for strides of 8, 16 and 32. Source: ultralytics/yolov5, models/yolov5s.yaml."""


def yolov5_maps(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """[anchors * (5 + classes), rows, columns] or [anchors, rows, columns, 5 + classes] for each grid.

    Places and sizes go through a sigmoid, in the model or here. Source: ultralytics/yolov5, models/yolo.py, Detect.
    """
    anchors = setup.options.anchors_px or YOLOV5_ANCHORS
    if len(anchors) != len(outputs):
        raise setup.wrong(0, outputs[0], f"{len(anchors)} outputs, as many as anchors_px has lists")
    return list(chain(*(_anchored(setup, index, output, anchors[index]) for index, output in enumerate(outputs))))


def _anchored(setup: HeadSetup, index: int, output: Floats, sizes: Sequence[float]) -> list[Level]:
    values, count = 5 + setup.classes, len(sizes) // 2
    if output.ndim == 4 and output.shape[0] == count and output.shape[3] == values:
        maps = output.transpose(0, 3, 1, 2)
    elif output.ndim == 3 and output.shape[0] == count * values:
        maps = output.reshape(count, values, *output.shape[1:])
    else:
        raise setup.wrong(index, output, f"[1, {count * values}, rows, columns]")
    rows, columns = maps.shape[2:]
    stride, points = setup.height_px / rows, cells(columns, rows, -0.5)
    found = []
    for anchor in range(count):
        flat, size = maps[anchor].reshape(values, -1), np.array(sizes[2 * anchor : 2 * anchor + 2], np.float32)

        def boxes(some: Indices, flat: Floats = flat, size: Floats = size) -> Floats:
            box = flat[:4, some].T
            box = sigmoid(box) if setup.activation == "sigmoid" else box
            return corners((2 * box[:, :2] + points[some]) * np.float32(stride), (2 * box[:, 2:]) ** 2 * size)

        found.append(Level(scores=flat[5:], certainty=flat[4], boxes=boxes))
    return found


def yolox_maps(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """[5 + classes, rows, columns] for each grid: the RKNN model zoo's YOLOX."""
    found = []
    for index, output in enumerate(outputs):
        if output.ndim != 3 or output.shape[0] != 5 + setup.classes:
            raise setup.wrong(index, output, f"[1, {5 + setup.classes}, rows, columns]")
        flat, points = output.reshape(len(output), -1), cells(output.shape[2], output.shape[1], 0.0)
        stride = setup.height_px / output.shape[1]

        def boxes(some: Indices, flat: Floats = flat, points: Floats = points, stride: float = stride) -> Floats:
            with np.errstate(over="ignore"):
                sizes = np.exp(flat[2:4, some].T) * np.float32(stride)
            return corners((flat[:2, some].T + points[some]) * np.float32(stride), sizes)

        found.append(Level(scores=flat[5:], certainty=flat[4], boxes=boxes))
    return found


def split_maps(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """For each grid a map of boxes, then one of scores: the RKNN model zoo's YOLOv6, v8, v10, v11.

    Boxes are distances in cells, [4, rows, columns] or distributions over bins, [4 * bins, rows, columns]. The zoo's
    third map, the sum of scores, is for loops that skip cells by it: here the highest score is found at once.
    With masks there is a third: their coefficients.
    """
    each = 3 if setup.options.masks else 2
    found = []
    for first in range(0, len(outputs), each):
        box, score, *mask = (_flat(setup, index, outputs[index]) for index in range(first, first + each))
        rows, columns = outputs[first].shape[1:]
        if len(score) != setup.classes or len(box) % 4 or score.shape != (setup.classes, box.shape[1]):
            raise setup.wrong(first + 1, outputs[first + 1], f"[1, {setup.classes}, {rows}, {columns}]")
        stride, points = setup.height_px / rows, cells(columns, rows, 0.5)

        def boxes(some: Indices, box: Floats = box, points: Floats = points, stride: float = stride) -> Floats:
            strides = np.full(len(some), stride, np.float32)
            return distance_boxes(box[:, some].T, points[some] * np.float32(stride), strides)

        def values(some: Indices, mask: list[Floats] = mask) -> Floats:
            return mask[0][:, some].T if mask else np.zeros((len(some), 0), np.float32)

        found.append(Level(scores=score, boxes=boxes, values=values))
    return found


def _flat(setup: HeadSetup, index: int, output: Floats) -> Floats:
    if output.ndim != 3:
        raise setup.wrong(index, output, "[1, values, rows, columns]")
    return output.reshape(len(output), -1)
