"""Of boxes that show the same thing the strongest stays, by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np

from edgekit.device.runtime.heads.candidates import Candidates, Indices

_FAR = 1000.0
"""How far beyond the input, in its own sizes, a box counts: one noisy box at 1e30 must not swallow the others' digits,
as OpenCV tells classes apart by moving each beyond the largest coordinate of all."""


def suppress(found: Candidates, overlap: float, size_px: tuple[int, int], *, agnostic: bool = False) -> Indices:
    """Numbers of the boxes that stay, strongest first: none overlaps a stronger one by more than `overlap`.

    Args:
        found: strongest first.
        overlap: intersection over union.
        size_px: width and height of the model's input.
        agnostic: whether boxes of different classes are held against each other too.
    """
    if not len(found.scores):
        return np.zeros(0, np.intp)
    far = _FAR * max(size_px)
    # All of them above 0: OpenCV's way to tell classes apart takes negative places for another class's.
    corners = np.clip(found.boxes, -far, far).astype(np.float64) + far
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    classes = np.zeros(len(boxes), np.int32) if agnostic else found.classes.astype(np.int32)
    # Ranks in place of scores: their order is all that counts, and equal scores keep the model's order.
    ranks = np.arange(len(boxes), 0, -1, dtype=np.float32)
    kept = cv2.dnn.NMSBoxesBatched(boxes.tolist(), ranks.tolist(), classes.tolist(), 0.0, overlap)
    return np.sort(np.asarray(kept, np.intp).reshape(-1))
