"""Masks of things as polygons, which every sink and every other program can take. Bounded: noise has endless edges."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.device.runtime.heads.candidates import Floats
from edgekit.imaging.fit import Fit

MOST_POLYGONS = 8
"""Of one thing, the largest."""
MOST_POINTS = 128
"""Of one polygon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """One thing's, in the source's pixels."""

    outline: tuple[tuple[float, ...], ...]
    """Polygons, each x and y in turn."""
    area_px: float


def masks_of(
    coefficients: Floats, prototypes: Floats, boxes: Floats, fit: Fit, size_px: tuple[int, int]
) -> tuple[Outline, ...]:
    """Each thing's mask within its box: prototypes weighted by its coefficients, where that is positive.

    Source: YOLACT (arXiv:1904.02689), section 3.1; a sigmoid over one half is what is above zero before it.

    Args:
        coefficients: [n, prototypes].
        prototypes: [prototypes, rows, columns], over the whole input.
        boxes: [n, 4]: left, top, right, bottom in pixels of the input.
        fit: how the picture lies in the input.
        size_px: width and height of the input.
    """
    rows, columns = prototypes.shape[1:]
    scale = np.array([size_px[0] / columns, size_px[1] / rows], np.float32)
    corners = np.clip(boxes.reshape(-1, 2, 2), 0, np.array(size_px)).reshape(-1, 4)
    return tuple(_mask(one, prototypes, box, scale, fit) for one, box in zip(coefficients, corners, strict=True))


def _mask(coefficients: Floats, prototypes: Floats, box: Floats, scale: Floats, fit: Fit) -> Outline:
    """A mask at the input's resolution, within a box that lies in the input."""
    low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    width, height = (high - low).tolist()
    if width <= 0 or height <= 0 or not np.isfinite(coefficients).all():
        return Outline(outline=(), area_px=0.0)
    first = np.maximum(np.floor(low / scale).astype(int) - 1, 0)
    last = np.ceil(high / scale).astype(int) + 1
    part = prototypes[:, first[1] : last[1], first[0] : last[0]]
    logits = np.tensordot(coefficients, part, 1).astype(np.float32)
    # Pixel (x, y) of the box lies at ((x + low + 0.5) / scale - 0.5) among the prototypes, by their middles.
    move = np.array([[1 / scale[0], 0, 0], [0, 1 / scale[1], 0]])
    move[:, 2] = (low + 0.5) / scale - 0.5 - first
    grown = cv2.warpAffine(
        logits, move, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return outline_of((np.asarray(grown) > 0).astype(np.uint8), low, fit)


def outline_of(
    inside: npt.NDArray[np.uint8], corner: npt.NDArray[np.int_], fit: Fit, scale: tuple[float, float] = (1.0, 1.0)
) -> Outline:
    """The edges of a mask in the model's input.

    Args:
        inside: [height, width], 0 or 1.
        corner: x and y of its first cell among all cells of the input.
        fit: how the picture lies in the input.
        scale: pixels of the input to a cell, across and down.
    """
    found, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = sorted(
        (np.asarray(one, np.int32).reshape(-1, 2) for one in found), key=lambda one: -cv2.contourArea(one)
    )
    made = []
    for polygon in polygons[:MOST_POLYGONS]:
        if len(polygon := _simple(polygon)) >= 3:
            places = fit.points_to_source(((polygon + corner + 0.5) * scale).astype(np.float32))
            made.append(tuple(np.round(places, 1).reshape(-1).tolist()))
    pixel = (fit.source_width_px / fit.width_px) * (fit.source_height_px / fit.height_px)
    cells = float(np.count_nonzero(inside)) * scale[0] * scale[1]
    return Outline(outline=tuple(made), area_px=cells * pixel)


def _simple(polygon: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """A polygon with no more points than there may be, off by half a pixel where that is enough."""
    off = 0.5
    while len(polygon) > MOST_POINTS or off == 0.5:
        polygon = np.asarray(cv2.approxPolyDP(polygon, off, True), np.int32).reshape(-1, 2)
        off *= 2
    return polygon
