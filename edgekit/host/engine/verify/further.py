"""What two models say of one thing beyond its box: masks, points, texts and attributes, compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edgekit.schema.detection import Detection
from edgekit.schema.units import counted

_FINEST_PX = 512
"""Sides of the picture that two masks are drawn into: finer ones are compared by these many steps."""
_POINT_SCORE = 0.5
"""From here on the float model is sure of a point."""
_POINT_SHARE = 0.2
"""Of the larger side of its thing that a point may be off. Source: PCK@0.2, Yang and Ramanan, TPAMI 2013."""
_TEXT_SHARE = 0.5
"""Of a text's signs that may be others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherAgreement:
    """Of matched detections, one entry for each mask, point, text or attribute that the float model has."""

    masks: tuple[float, ...] = ()
    """Intersection over union."""
    points_px: tuple[float, ...] = ()
    """Distances of those that the float model is sure of; infinite for one that the engine has not."""
    texts: tuple[int, ...] = ()
    """Signs that have to be changed (edit distance)."""
    attributes: tuple[bool, ...] = ()
    """Whether it is the same."""

    def __str__(self) -> str:
        """What there is, each after a semicolon; empty where there are boxes alone."""
        words = []
        if self.masks:
            words.append(f"{counted(len(self.masks), 'mask')} with IoU {min(self.masks):.3f} at least")
        if self.points_px:
            words.append(f"{counted(len(self.points_px), 'point')} off by {max(self.points_px):.1f} px at most")
        if self.texts:
            alike, most = sum(not one for one in self.texts), max(self.texts)
            words.append(f"{alike} of {counted(len(self.texts), 'text')} alike, edit distance {most} at most")
        if self.attributes:
            words.append(f"{sum(self.attributes)} of {counted(len(self.attributes), 'attribute')} alike")
        return "".join(f"; {one}" for one in words)


def compare_further(pairs: Iterable[tuple[Detection, Detection]]) -> FurtherAgreement:
    """Compare matched detections, the float model's first."""
    pairs = tuple(pairs)
    return FurtherAgreement(
        masks=tuple(mask_iou(one, other) for one, other in pairs if one.outline),
        points_px=tuple(distance for one, other in pairs for _, distance in _points(one, other)),
        texts=tuple(edit_distance(one.text, other.text) for one, other in pairs if one.text),
        attributes=tuple(alike for one, other in pairs for _, alike in _attributes(one, other)),
    )


def changes(one: Detection, other: Detection, least_score: float) -> Iterator[str]:
    """What the float model is sure of in a thing, and the engine sees in another way: in words."""
    size = max(one.width_px, one.height_px)
    for name, distance in _points(one, other):
        if distance > _POINT_SHARE * size:
            yield f"its {name} is off by {distance:.0f} px" if np.isfinite(distance) else f"its {name} is gone"
    if edit_distance(one.text, other.text) > _TEXT_SHARE * len(one.text):
        yield f"it reads {other.text!r}, not {one.text!r}"
    there = {attribute.name: attribute.value for attribute in other.attributes}
    for attribute in one.attributes:
        now = there.get(attribute.name, "nothing")
        if attribute.score > least_score and not one.text and now != attribute.value:
            yield f"its {attribute.name} is {now}, not {attribute.value}"


def mask_iou(one: Detection, other: Detection) -> float:
    """Intersection over union of two masks, by their outlines."""
    places = [np.array(polygon, np.float64).reshape(-1, 2) for found in (one, other) for polygon in found.outline]
    if not one.outline or not other.outline:
        return 0.0
    low = np.concatenate(places).min(axis=0)
    size = np.maximum(np.concatenate(places).max(axis=0) - low, 1)
    scale = min(1.0, _FINEST_PX / float(size.max()))
    shape = tuple(np.ceil(size[::-1] * scale).astype(int) + 2)
    painted = []
    for found in (one, other):
        canvas = np.zeros(shape, np.uint8)
        for polygon in found.outline:
            points = (np.array(polygon, np.float64).reshape(-1, 2) - low) * scale
            cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], (1,))
        painted.append(canvas.astype(bool))
    both = np.count_nonzero(painted[0] & painted[1])
    return float(both) / float(np.count_nonzero(painted[0] | painted[1]))


def edit_distance(one: str, other: str) -> int:
    """How many signs have to be put in, taken out or exchanged to make one text of the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for index, sign in enumerate(one, 1):
        before, row[0] = row[0], index
        for place, there in enumerate(other, 1):
            cost = min(row[place] + 1, row[place - 1] + 1, before + (sign != there))
            before, row[place] = row[place], cost
    return row[-1]


def _points(one: Detection, other: Detection) -> Iterator[tuple[str, float]]:
    """The points that the float model is sure of, and how far the engine's lie from them."""
    there = {point.name: point for point in other.keypoints}
    for point in one.keypoints:
        if point.score >= _POINT_SCORE:
            now = there.get(point.name)
            away = ((point.x_px - now.x_px) ** 2 + (point.y_px - now.y_px) ** 2) ** 0.5 if now else float("inf")
            yield point.name, away


def _attributes(one: Detection, other: Detection) -> Iterator[tuple[str, bool]]:
    there = {attribute.name: attribute.value for attribute in other.attributes}
    for attribute in one.attributes:
        yield attribute.name, there.get(attribute.name) == attribute.value
