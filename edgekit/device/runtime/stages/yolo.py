"""`yolo`: the output of YOLOv8, YOLO11 and their kin becomes detections with boxes."""

from __future__ import annotations

from itertools import islice
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from edgekit.device.runtime.stages.fitting import fit_of
from edgekit.errors import InputError
from edgekit.schema.stages.yolo import YoloOptions
from edgekit.stage import Detection, Frame, Stage, StageContext

_MOST_CANDIDATES = 4096
"""Boxes that suppression looks at, the strongest: a picture full of noise must not stop the pipeline."""
_BOX = 4


class Yolo(Stage):
    """Takes each anchor's strongest class, drops weak ones, and of boxes of one class that overlap keeps the strongest.

    The model's output is float[1, 4 + classes, anchors] or [1, anchors, 4 + classes]: middle, width and height in
    pixels of the model's input, then a score a class. Boxes are cut off at the picture's edge.
    """

    Options: ClassVar[type] = YoloOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: YoloOptions = context.options
        self._fit = fit_of(context)

    def __call__(self, frame: Frame) -> Frame:
        """Add what the model finds, in the source's pixels, strongest first."""
        options = self._options
        rows = self._rows(frame.result(self.context.model).outputs)
        boxes, scores, classes = candidates(rows, options.threshold)
        kept = suppress(boxes, scores, classes, options.iou)
        made = map(self._detection, boxes[kept].tolist(), scores[kept].tolist(), classes[kept].tolist())
        seen = (one for one in made if one.width_px > 0 and one.height_px > 0)
        frame.detections += tuple(islice(seen, options.most))
        return frame

    def _detection(self, box: list[float], score: float, index: int) -> Detection:
        """A box in the model's input as a detection in the picture, cut off at its edges."""
        left, top = self._fit.inside(*self._fit.to_source(box[0], box[1]))
        right, bottom = self._fit.inside(*self._fit.to_source(box[2], box[3]))
        return Detection(
            label=self._options.labels[index],
            x_px=(left + right) / 2,
            y_px=(top + bottom) / 2,
            width_px=right - left,
            height_px=bottom - top,
            score=score,
        )

    def _rows(self, outputs: dict[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.float32]:
        """One row an anchor: [anchors, 4 + classes]."""
        name, columns = self._options.output, _BOX + len(self._options.labels)
        if name not in outputs:
            raise InputError(
                f"stage {self.context.name}: the model has no output {name}",
                hint=f"name its output in the stage's options.output: it has {', '.join(outputs)}",
            )
        found: npt.NDArray[np.float32] = np.asarray(outputs[name], np.float32)
        if found.ndim != 3 or found.shape[0] != 1 or columns not in found.shape[1:]:
            raise InputError(
                f"stage {self.context.name}: output {name} is {list(found.shape)}, and {columns - _BOX} labels want "
                f"[1, {columns}, anchors]",
                hint="write one label for each class, in the model's order",
            )
        rows: npt.NDArray[np.float32] = found[0].T if found.shape[1] == columns else found[0]
        return rows


def candidates(
    rows: npt.NDArray[np.float32], threshold: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    """Anchors that see something, strongest first; equal ones in their order.

    Args:
        rows: [anchors, 4 + classes].
        threshold: least score.

    Returns:
        Boxes [n, 4] as left, top, right, bottom; scores [n]; classes [n]. What is no number is left out.
    """
    strongest = rows[:, _BOX:].max(axis=1)
    seen = np.flatnonzero((strongest >= threshold) & np.isfinite(rows[:, :_BOX]).all(axis=1))
    seen = seen[np.argsort(-strongest[seen], kind="stable")][:_MOST_CANDIDATES]
    middle, half = rows[seen, :2], rows[seen, 2:_BOX] / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    return boxes, strongest[seen], rows[seen, _BOX:].argmax(axis=1)


def suppress(
    boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], classes: npt.NDArray[np.intp], overlap: float
) -> npt.NDArray[np.intp]:
    """Indices of the boxes that stay: none overlaps a stronger one of its class by more than `overlap`.

    Args:
        boxes: [n, 4] as left, top, right, bottom, strongest first.
        scores: [n].
        classes: [n].
        overlap: intersection over union.
    """
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    left, kept = np.arange(len(scores)), []
    while left.size:
        first, rest = left[0], left[1:]
        kept.append(first)
        near = np.minimum(boxes[rest, 2:], boxes[first, 2:]) - np.maximum(boxes[rest, :2], boxes[first, :2])
        both = np.prod(np.maximum(near, 0), axis=1)
        whole = areas[rest] + areas[first] - both
        left = rest[(classes[rest] != classes[first]) | (both <= overlap * whole)]
    return np.array(kept, np.intp)
