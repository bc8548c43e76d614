"""What each class covers of a picture: the likeliest class of each cell (semantic segmentation)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgekit.device.runtime.heads.candidates import Floats
from edgekit.device.runtime.heads.masks import outline_of
from edgekit.imaging.fit import Fit


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


def class_areas(maps: Floats, fit: Fit, size_px: tuple[int, int], least_share: float) -> tuple[ClassArea, ...]:
    """The classes that cover so much of the picture, the largest first. Bars around it do not count.

    Args:
        maps: [classes, rows, columns], over the whole input; a cell with what is no number is of no class.
        fit: how the picture lies in the input.
        size_px: width and height of the input.
        least_share: of the picture.
    """
    rows, columns = maps.shape[1:]
    across, down = columns / size_px[0], rows / size_px[1]
    left, right = round(fit.left_px * across), round((fit.left_px + fit.width_px) * across)
    top, bottom = round(fit.top_px * down), round((fit.top_px + fit.height_px) * down)
    part = maps[:, top:bottom, left:right]
    if not part.size:
        return ()
    best = part.argmax(axis=0)
    best[~np.isfinite(part).all(axis=0)] = -1
    counts = np.bincount(best[best >= 0].reshape(-1), minlength=len(maps))
    cells, whole_px = best.size, fit.source_width_px * fit.source_height_px
    found = []
    for index in np.argsort(-counts, kind="stable").tolist():
        share = float(counts[index]) / cells
        if not share or share < least_share:
            break
        there = (best == index).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(there)
        corners = np.array([[left + x, top + y, left + x + width, top + y + height]]) / (across, down, across, down)
        box = fit.boxes_to_source(corners.astype(np.float32))
        outline = outline_of(there, np.array([left, top]), fit, scale=(1 / across, 1 / down)).outline
        edges = tuple(box[0].tolist())
        found.append(ClassArea(index=index, share=share, area_px=share * whole_px, box=edges, outline=outline))
    return tuple(found)
