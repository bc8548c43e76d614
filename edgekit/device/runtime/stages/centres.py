"""`centres`: peaks of a heat map become detections, for models with a map per label and a map of offsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.device.runtime.stages.fitting import fit_of
from edgekit.errors import InputError
from edgekit.schema.stages.centres import CentresOptions
from edgekit.stage import Detection, Frame, Stage, StageContext


class Centres(Stage):
    """Finds the cells that no neighbour exceeds, whatever the label: two labels never claim one part."""

    Options: ClassVar[type] = CentresOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: CentresOptions = context.options
        self._fit = fit_of(context)
        self._around = np.ones((3, 3), np.uint8)

    def __call__(self, frame: Frame) -> Frame:
        """Add what the model finds, in the source's pixels, strongest first."""
        options = self._options
        heat, offset = self._maps(frame)
        strongest = heat.max(axis=0)
        peaks = np.flatnonzero((strongest >= options.threshold) & (strongest >= cv2.dilate(strongest, self._around)))
        found = []
        for row, column in _apart(divmod(cell, strongest.shape[1]) for cell in peaks.tolist()):
            x_px = (column + float(offset[0, row, column])) * options.stride_px + 0.5
            y_px = (row + float(offset[1, row, column])) * options.stride_px + 0.5
            x_px, y_px = self._fit.to_source(x_px, y_px)
            label = options.labels[int(heat[:, row, column].argmax())]
            score = float(strongest[row, column])
            found.append(Detection(label=label, colour="", x_px=x_px, y_px=y_px, score=score))
        frame.detections += tuple(sorted(found, key=lambda one: -one.score))
        return frame

    def _maps(self, frame: Frame) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        options, outputs = self._options, frame.result(self.context.model).outputs
        missing = [name for name in (options.heat, options.offset) if name not in outputs]
        if missing:
            raise InputError(
                f"stage {self.context.name}: the model has no output {', '.join(missing)}",
                hint=f"name its outputs in the stage's heat and offset: it has {', '.join(outputs)}",
            )
        heat, offset = (np.asarray(outputs[name][0], np.float32) for name in (options.heat, options.offset))
        if len(heat) != len(options.labels):
            raise InputError(
                f"stage {self.context.name}: {len(options.labels)} labels for a heat map of {len(heat)} channels",
                hint="write one label for each channel, in the model's order",
            )
        return heat, offset


def _apart(peaks: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """One peak of each plateau: neighbours are both peaks only when they are equal, as rounded scores often are."""
    seen: set[tuple[int, int]] = set()
    for row, column in peaks:
        if seen.isdisjoint(product((row - 1, row, row + 1), (column - 1, column, column + 1))):
            yield row, column
        seen.add((row, column))
