"""`crops`: a second model looks at each detection of the first one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import ClassVar

from edgekit.device.runtime.heads.classes import likeliest
from edgekit.device.runtime.heads.signs import read_line
from edgekit.device.runtime.stages.pictures import PictureOutput
from edgekit.errors import InputError
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.cutting import cut
from edgekit.imaging.image import Image, ImageSpec
from edgekit.schema.source import Roi
from edgekit.schema.stages.pictures import CropsOptions
from edgekit.stage import Array, Attribute, Detection, Frame, Stage, StageContext

_SIZES = 64
"""Sizes of crops whose conversion is kept: a thing that comes nearer has many."""


class Crops(Stage):
    """The strongest detections are cut out of the frame, converted as the model's contract says, and looked at.

    As many at once as the engine's batch has places. What the model says becomes an attribute under the stage's name,
    or the detection's text.
    """

    Options: ClassVar[type] = CropsOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        if context.contract is None or context.runner is None:
            raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
        self._options: CropsOptions = context.options
        self._output, self._runner, self._contract = PictureOutput(context), context.runner, context.contract
        self._converter = lru_cache(_SIZES)(self._plan)

    def __call__(self, frame: Frame) -> Frame:
        """Say of each detection what the model sees in it."""
        chosen = list(self._chosen(frame))
        batch = self._runner.lend()[self._runner.picture].shape[0] if chosen else 1
        said: dict[int, Detection] = {}
        for first in range(0, len(chosen), batch):
            some = chosen[first : first + batch]
            outputs = self._look([crop for _, crop in some])
            for place, (index, _) in enumerate(some):
                said[index] = self._say(frame.detections[index], outputs, place)
        frame.detections = tuple(said.get(index, found) for index, found in enumerate(frame.detections))
        return frame

    def _chosen(self, frame: Frame) -> Iterator[tuple[int, Image]]:
        """Detections by their number, with their part of the picture; the strongest first."""
        options = self._options
        wanted = sorted(
            (
                (-found.score, index)
                for index, found in enumerate(frame.detections)
                if min(found.width_px, found.height_px) >= options.min_px
                and found.label in (options.of or (found.label,))
            )
        )
        for _, index in islice(wanted, options.most):
            roi = self._part(frame.detections[index], frame.image)
            if roi is not None:
                yield index, cut(frame.image, roi)

    def _part(self, found: Detection, image: Image) -> Roi | None:
        """Where a detection lies in the frame, with its margin, from even pixel to even pixel; None beside it."""
        stream = self.context.stream
        grow = (0.5 + self._options.margin) / stream.scale
        wide, high = (size * grow for size in (found.width_px, found.height_px))
        x, y = (found.x_px - stream.left_px) / stream.scale, (found.y_px - stream.top_px) / stream.scale
        left, top = (2 * (max(0, int(place)) // 2) for place in (x - wide, y - high))
        right = min(2 * (-(-int(x + wide) // 2)), image.width_px // 2 * 2)
        bottom = min(2 * (-(-int(y + high) // 2)), image.height_px // 2 * 2)
        if right - left < 2 or bottom - top < 2:
            return None
        return Roi(left_px=left, top_px=top, width_px=right - left, height_px=bottom - top)

    def _look(self, crops: Sequence[Image]) -> dict[str, Array]:
        """The model's outputs for as many crops as its batch takes, or fewer."""
        inputs = self._runner.lend()
        tensor = inputs[self._runner.picture]
        for place, crop in enumerate(crops):
            self._converter(crop.spec).fill(crop, tensor[place : place + 1])
        return self._runner.infer(inputs)

    def _say(self, found: Detection, outputs: dict[str, Array], place: int) -> Detection:
        output, options = self._output, self._options
        if options.reads == "text":
            text, score = read_line(
                output.steps(outputs, place),
                output.labels,
                blank_first=options.blank == "first",
                activation=output.activation,
            )
            if not text or score < options.threshold:
                return found
            attribute = Attribute(name=self.context.name, value=text, score=score)
            return replace(found, text=text, attributes=(*found.attributes, attribute))
        for index, score in likeliest(output.vector(outputs, place), 1, options.threshold, output.activation):
            attribute = Attribute(name=self.context.name, value=output.labels[index], score=score)
            return replace(found, attributes=(*found.attributes, attribute))
        return found

    def _plan(self, spec: ImageSpec) -> Converter:
        return Converter(plan_conversion(spec, self._contract))
