"""`classify`: a classifier's scores become its likeliest classes."""

from __future__ import annotations

from typing import ClassVar

from edgekit.device.runtime.heads.classes import likeliest
from edgekit.device.runtime.stages.pictures import PictureOutput, whole_picture
from edgekit.schema.stages.pictures import ClassifyOptions
from edgekit.stage import Frame, Stage, StageContext


class Classify(Stage):
    """Each class is a detection as large as the picture, the likeliest first."""

    Options: ClassVar[type] = ClassifyOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: ClassifyOptions = context.options
        self._output = PictureOutput(context)

    def __call__(self, frame: Frame) -> Frame:
        """Add the picture's classes."""
        output, options = self._output, self._options
        numbers = output.vector(frame.result(self.context.model).outputs)
        found = likeliest(numbers, options.top, options.threshold, output.activation)
        frame.detections += tuple(whole_picture(self.context, output.labels[index], score) for index, score in found)
        return frame
