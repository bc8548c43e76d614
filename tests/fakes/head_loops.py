"""Each detector head once more, as plain loops over numbers: slow, and written from the models' own sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

SIZE = 64
"""Pixels of a side of the models' input here."""
CLASSES = 3
Found = tuple[float, int, tuple[float, float, float, float]]
"""Score, class, and corners in pixels of the input."""


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def shares(values: list[float]) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


def square(x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
    return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def best(scores: list[float]) -> tuple[float, int]:
    return max(scores), scores.index(max(scores))


def cells_of(strides: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    for stride in strides:
        for row in range(SIZE // stride):
            for column in range(SIZE // stride):
                yield stride, row, column


def yolov8(outputs: list[np.ndarray]) -> Iterator[Found]:
    for x, y, w, h, *scores in outputs[0].T.tolist():
        yield (*best(scores), square(x, y, w, h))


def yolov5(outputs: list[np.ndarray]) -> Iterator[Found]:
    for x, y, w, h, sure, *scores in outputs[0].tolist():
        score, label = best(scores)
        yield score * sure, label, square(x, y, w, h)


def yolox(outputs: list[np.ndarray]) -> Iterator[Found]:
    for (stride, row, column), values in zip(cells_of((8, 16, 32)), outputs[0].tolist(), strict=True):
        x, y, w, h, sure, *scores = values
        score, label = best(scores)
        box = square((x + column) * stride, (y + row) * stride, math.exp(w) * stride, math.exp(h) * stride)
        yield score * sure, label, box


def rtdetr(outputs: list[np.ndarray]) -> Iterator[Found]:
    for x, y, w, h, *scores in outputs[0].tolist():
        yield (*best(scores), square(x * SIZE, y * SIZE, w * SIZE, h * SIZE))


def end2end(outputs: list[np.ndarray]) -> Iterator[Found]:
    for left, top, right, bottom, score, label in outputs[0].tolist():
        yield score, round(label), (left, top, right, bottom)


def away(distances: list[float], bins: int) -> list[float]:
    if bins == 1:
        return distances
    sides = [shares(distances[side * bins : (side + 1) * bins]) for side in range(4)]
    return [sum(index * share for index, share in enumerate(side)) for side in sides]


def around(x: float, y: float, sides: list[float], stride: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = (side * stride for side in sides)
    return (x - left, y - top, x + right, y + bottom)


def nanodet(outputs: list[np.ndarray]) -> Iterator[Found]:
    for (stride, row, column), values in zip(cells_of((8, 16, 32)), outputs[0].tolist(), strict=True):
        sides = away(values[CLASSES:], (len(values) - CLASSES) // 4)
        yield (*best(values[:CLASSES]), around(column * stride, row * stride, sides, stride))


def split_maps(outputs: list[np.ndarray]) -> Iterator[Found]:
    for boxes, scores in zip(outputs[::2], outputs[1::2], strict=True):
        stride = SIZE // boxes.shape[1]
        for row in range(boxes.shape[1]):
            for column in range(boxes.shape[2]):
                sides = away(boxes[:, row, column].tolist(), len(boxes) // 4)
                box = around((column + 0.5) * stride, (row + 0.5) * stride, sides, stride)
                yield (*best(scores[:, row, column].tolist()), box)


def yolox_maps(outputs: list[np.ndarray]) -> Iterator[Found]:
    flat = np.concatenate([output.reshape(len(output), -1).T for output in outputs])
    yield from yolox([flat])


ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))


def yolov5_maps(outputs: list[np.ndarray]) -> Iterator[Found]:
    for output, sizes in zip(outputs, ANCHORS, strict=True):
        stride, values = SIZE // output.shape[1], 5 + CLASSES
        for anchor in range(3):
            for row in range(output.shape[1]):
                for column in range(output.shape[2]):
                    raw = output[anchor * values : (anchor + 1) * values, row, column].tolist()
                    x, y, w, h, sure, *scores = map(logistic, raw)
                    score, label = best(scores)
                    width, height = ((2 * v) ** 2 * s for v, s in zip((w, h), sizes[2 * anchor :], strict=False))
                    box = square((2 * x - 0.5 + column) * stride, (2 * y - 0.5 + row) * stride, width, height)
                    yield score * sure, label, box


def detr(outputs: list[np.ndarray]) -> Iterator[Found]:
    for logits, (x, y, w, h) in zip(outputs[0].tolist(), outputs[1].tolist(), strict=True):
        yield (*best([logistic(one) for one in logits]), square(x * SIZE, y * SIZE, w * SIZE, h * SIZE))


def listed(outputs: list[np.ndarray]) -> Iterator[Found]:
    boxes, scores, labels, count = outputs
    for index in range(int(count)):
        top, left, bottom, right = (value * SIZE for value in boxes[index].tolist())
        yield float(scores[index]), int(labels[index]) - 1, (left, top, right, bottom)


def boxes_scores(outputs: list[np.ndarray]) -> Iterator[Found]:
    for box, scores in zip(outputs[0].tolist(), outputs[1].tolist(), strict=True):
        yield (*best(scores), tuple(box))


def ssd(outputs: list[np.ndarray], priors: np.ndarray) -> Iterator[Found]:
    for (right, down, wider, higher), logits, (x, y, w, h) in zip(
        outputs[0].tolist(), outputs[1].tolist(), priors.tolist(), strict=True
    ):
        box = square(x + right * 0.1 * w, y + down * 0.1 * h, w * math.exp(wider * 0.2), h * math.exp(higher * 0.2))
        yield (*best(shares(logits)[1:]), tuple(value * SIZE for value in box))


LOOPS: dict[str, Callable[[list[np.ndarray]], Iterator[Found]]] = {
    loop.__name__: loop
    for loop in (
        yolov8,
        yolov5,
        yolox,
        rtdetr,
        end2end,
        nanodet,
        split_maps,
        yolox_maps,
        yolov5_maps,
        detr,
        listed,
        boxes_scores,
    )
}


def kept(found: Iterator[Found], threshold: float, overlap: float | None) -> list[Found]:
    """What passes, strongest first; without those that overlap a stronger one of their class, where that is asked."""
    strong = sorted((one for one in found if one[0] >= threshold), key=lambda one: -one[0])
    left: list[Found] = []
    for one in strong:
        if overlap is None or all(one[1] != other[1] or iou(one[2], other[2]) <= overlap for other in left):
            left.append(one)
    return left


def iou(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)
