"""`segment`: maps of classes become what each class, or each part of one, covers of the picture."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from edgekit.device.runtime.heads.areas import ClassArea, best_classes, class_areas, there_or_not
from edgekit.device.runtime.heads.candidates import activated
from edgekit.device.runtime.stages.fitting import fit_of
from edgekit.device.runtime.stages.pictures import PictureOutput
from edgekit.schema.stages.pictures import SegmentOptions
from edgekit.stage import Detection, Frame, Stage, StageContext


class Segment(Stage):
    """Each class, or each part of one, is a detection with area, outline and a box around; its score is its share."""

    Options: ClassVar[type] = SegmentOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: SegmentOptions = context.options
        self._fit = fit_of(context)
        self._output = PictureOutput(context)
        self._ignored = [index for index, label in enumerate(self._output.labels) if label in self._options.ignore]
        assert context.contract is not None, "a fit was planned for it"
        self._size = (context.contract.width_px, context.contract.height_px)

    def __call__(self, frame: Frame) -> Frame:
        """Add the classes that are there, the largest first."""
        maps, options = self._output.maps(frame.result(self.context.model).outputs), self._options
        if len(maps) == 1:
            best = there_or_not(activated(maps[0], self._output.activation), options.threshold)
        else:
            best = best_classes(maps)
        best[np.isin(best, self._ignored)] = -1
        found = class_areas(best, self._fit, self._size, options.least_share, parts=options.parts)
        frame.detections += tuple(self._detection(one) for one in found)
        return frame

    def _detection(self, one: ClassArea) -> Detection:
        left, top, right, bottom = one.box
        return Detection(
            label=self._output.labels[one.index],
            x_px=(left + right) / 2,
            y_px=(top + bottom) / 2,
            width_px=right - left,
            height_px=bottom - top,
            score=one.share,
            area_px=one.area_px,
            outline=one.outline,
        )
