"""`infer`: the engine runs."""

from __future__ import annotations

from edgekit.errors import InputError
from edgekit.stage import Frame, Stage, StageContext


class Infer(Stage):
    """Runs the stage's engine on the model's inputs of the frame."""

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        if context.runner is None:
            raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
        self._runner = context.runner

    def __call__(self, frame: Frame) -> Frame:
        """Set `outputs`; the inputs go back to the engine, unless somebody else holds them."""
        result = frame.result(self.context.model)
        assert result.inputs, "`infer` comes after `preprocess`"
        result.outputs = self._runner.infer(result.inputs)
        result.inputs = {}
        return frame
