"""`read`: what a model reads in a picture of one line."""

from __future__ import annotations

from typing import ClassVar

from edgekit.device.runtime.heads.signs import read_line
from edgekit.device.runtime.stages.pictures import PictureOutput, whole_picture
from edgekit.schema.stages.pictures import ReadOptions
from edgekit.stage import Frame, Stage, StageContext


class Read(Stage):
    """The text is a detection as large as the picture, with the label `text`."""

    Options: ClassVar[type] = ReadOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: ReadOptions = context.options
        self._output = PictureOutput(context)

    def __call__(self, frame: Frame) -> Frame:
        """Add the picture's text, if there is one."""
        output, options = self._output, self._options
        steps = output.steps(frame.result(self.context.model).outputs)
        text, score = read_line(
            steps, output.labels, blank_first=options.blank == "first", activation=output.activation
        )
        if text and score >= options.threshold:
            frame.detections += (whole_picture(self.context, "text", score, text),)
        return frame
