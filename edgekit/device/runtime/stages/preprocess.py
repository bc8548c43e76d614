"""`preprocess`: the frame becomes the model's input, by the one conversion that was planned at the start."""

from __future__ import annotations

from edgekit.errors import InputError
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.stage import Frame, Stage, StageContext


class Preprocess(Stage):
    """Scales, converts colours, and lays out the tensor."""

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        if context.contract is None:
            raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
        self._converter = Converter(plan_conversion(context.stream.spec, context.contract))

    def __call__(self, frame: Frame) -> Frame:
        """Set the model's `picture` and `tensor`."""
        result = frame.result(self.context.model)
        result.picture = self._converter.rgb(frame.image)
        result.tensor = self._converter.tensor(result.picture)
        return frame
