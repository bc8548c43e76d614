"""What each class, or each part of one, covers of a picture (semantic segmentation)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.device.runtime.heads.candidates import Floats
from edgekit.device.runtime.heads.masks import outline_of
from edgekit.imaging.fit import Fit

Places: TypeAlias = npt.NDArray[np.signedinteger[Any]]
Mask: TypeAlias = npt.NDArray[np.uint8]
_MOST = 300
"""Areas of one picture, the largest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassArea:
    """One class's part of a picture, in the source's pixels."""

    index: int
    share: float
    """Of the picture, 0..1."""
    area_px: float
    box: tuple[float, float, float, float]
    """Left, top, right, bottom."""
    outline: tuple[tuple[float, ...], ...]


def class_areas(
    best: Places, fit: Fit, size_px: tuple[int, int], least_share: float, *, parts: bool = False
) -> tuple[ClassArea, ...]:
    """The classes that cover so much of the picture, the largest first. Bars around it do not count.

    Args:
        best: int[rows, columns], over the whole input: the class of each cell; -1 is none.
        fit: how the picture lies in the input.
        size_px: width and height of the input.
        least_share: of the picture.
        parts: whether each part of a class that hangs together, edge to edge, counts for itself.
    """
    rows, columns = best.shape
    across, down = columns / size_px[0], rows / size_px[1]
    left, right = round(fit.left_px * across), round((fit.left_px + fit.width_px) * across)
    top, bottom = round(fit.top_px * down), round((fit.top_px + fit.height_px) * down)
    seen = best[top:bottom, left:right]
    if not seen.size:
        return ()
    whole_px = fit.source_width_px * fit.source_height_px
    found = []
    largest = sorted(_places(seen, least_share, parts=parts), key=lambda one: -one[2])[:_MOST]
    for index, (x, y, width, height), count, there in largest:
        corners = np.array([[left + x, top + y, left + x + width, top + y + height]]) / (across, down, across, down)
        box = fit.boxes_to_source(corners.astype(np.float32))
        outline = outline_of(there, np.array([left + x, top + y]), fit, scale=(1 / across, 1 / down)).outline
        edges, share = tuple(box[0].tolist()), count / seen.size
        found.append(ClassArea(index=index, share=share, area_px=share * whole_px, box=edges, outline=outline))
    return tuple(found)


def best_classes(maps: Floats) -> Places:
    """The likeliest class of each cell of [classes, rows, columns]; -1 where one of its scores is no number."""
    best: Places = maps.argmax(axis=0)
    best[~np.isfinite(maps).all(axis=0)] = -1
    return best


def there_or_not(scores: Floats, threshold: float) -> Places:
    """Of one map [rows, columns]: 0 where its class is there; -1 where it is not, or the score is no number."""
    return np.where(np.isfinite(scores) & (scores >= threshold), 0, -1)


def _places(
    best: Places, least_share: float, *, parts: bool
) -> Iterator[tuple[int, tuple[int, int, int, int], int, Mask]]:
    """Class, box (left, top, width, height), cells and mask within the box, of whatever covers enough."""
    least = max(1.0, least_share * best.size)
    counts = np.bincount(best[best >= 0].reshape(-1))
    for index in np.flatnonzero(counts >= least).tolist():
        there = (best == index).astype(np.uint8)
        if not parts:
            x, y, width, height = cv2.boundingRect(there)
            yield index, (x, y, width, height), int(counts[index]), there[y : y + height, x : x + width]
            continue
        count, numbers, boxes, _ = cv2.connectedComponentsWithStats(there, connectivity=4)
        for number in range(1, count):
            x, y, width, height, cells = boxes[number].tolist()
            if cells >= least:
                inside = numbers[y : y + height, x : x + width] == number
                yield index, (x, y, width, height), cells, inside.astype(np.uint8)
