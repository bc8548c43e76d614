"""`colour`: names the colour at each detection's centre. Right only where the conversion from the camera is right."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from edgekit.device.runtime.stages.fitting import fit_of
from edgekit.imaging.image import Pixels
from edgekit.schema.stages.colour import ColourOptions
from edgekit.stage import Detection, Frame, Stage, StageContext

UNKNOWN = "unknown"


class Colour(Stage):
    """Takes the median of a small square, so that an edge or a speck in it does not count."""

    Options: ClassVar[type] = ColourOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: ColourOptions = context.options
        self._fit = fit_of(context)

    def __call__(self, frame: Frame) -> Frame:
        """Name the colour of every detection."""
        picture = frame.result(self.context.model).picture
        assert picture is not None, "`colour` comes after `preprocess`"
        frame.detections = tuple(
            dataclasses.replace(found, colour=self._name(found, picture)) for found in frame.detections
        )
        return frame

    def _name(self, found: Detection, rgb: Pixels) -> str:
        x, y = (int(place) for place in self._fit.to_input(found.x_px, found.y_px))
        radius = self._options.radius_px
        rows, columns = (
            slice(max(0, y - radius), max(0, y + radius + 1)),
            slice(max(0, x - radius), max(0, x + radius + 1)),
        )
        square = rgb[rows, columns].reshape(-1, 3)
        if not len(square):
            return UNKNOWN
        middle = np.sort(square, axis=0)[len(square) // 2].tolist()
        distances = {
            name: sum((a - b) ** 2 for a, b in zip(middle, colour, strict=True))
            for name, colour in self._options.palette.items()
        }
        nearest = min(distances, key=distances.__getitem__)
        return nearest if distances[nearest] <= self._options.max_distance**2 else UNKNOWN
