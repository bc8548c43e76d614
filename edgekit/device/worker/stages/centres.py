"""`centres`: peaks of a heat map become detections, for models with a map per label and a map of offsets."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgekit.device.image.fit import plan_fit
from edgekit.device.worker.item import Detection, Item
from edgekit.device.worker.stages import Stage, StageContext
from edgekit.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class CentresOptions:
    """Options of `centres`."""

    labels: tuple[str, ...]
    """One for each channel of the heat map."""
    threshold: float = 0.5
    stride_px: int = 4
    """Pixels of the model's input between two cells; cell 0 lies on the middle of pixel 0."""
    heat: str = "heat"
    """Output float32[1, labels, rows, columns], 0..1."""
    offset: str = "offset"
    """Output float32[1, 2, rows, columns]: how far right and down of its cell a centre lies, in cells."""


class Centres(Stage):
    """Finds the cells that no neighbour exceeds, whatever the label: two labels never claim one part."""

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options = context.read_options(CentresOptions)
        if context.contract is None:
            raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
        self._fit = plan_fit(context.frames.width_px, context.frames.height_px, context.contract)
        self._around = np.ones((3, 3), np.uint8)

    def __call__(self, item: Item) -> Item:
        """Set the item's detections, in the source frame's pixels, strongest first."""
        options = self._options
        heat = item.outputs[options.heat][0]
        strongest = heat.max(axis=0)
        peaks = np.flatnonzero((strongest >= options.threshold) & (strongest >= cv2.dilate(strongest, self._around)))
        offset = item.outputs[options.offset][0]
        found = []
        for cell in peaks.tolist():
            row, column = divmod(cell, strongest.shape[1])
            x_px = (column + float(offset[0, row, column])) * options.stride_px + 0.5
            y_px = (row + float(offset[1, row, column])) * options.stride_px + 0.5
            x_px, y_px = self._fit.to_source(x_px, y_px)
            label = options.labels[int(heat[:, row, column].argmax())]
            score = float(strongest[row, column])
            found.append(Detection(label=label, colour="", x_px=x_px, y_px=y_px, score=score))
        item.detections = tuple(sorted(found, key=lambda one: -one.score))
        return item
