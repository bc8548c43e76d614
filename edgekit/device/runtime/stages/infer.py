"""`infer`: the engine runs."""

from __future__ import annotations

from edgekit.errors import InputError
from edgekit.stage import Array, Frame, Stage, StageContext


class Infer(Stage):
    """Runs the stage's engine on the model's inputs of the frame.

    What a model of sound or of sequences remembers goes from an output back into an input, of the same stream alone:
    zeros at first, after a restart, and where frames are missing.
    """

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        if context.runner is None:
            raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
        self._runner, self._feeds = context.runner, context.feeds
        self._kept: dict[str, Array] = {}

    def __call__(self, frame: Frame) -> Frame:
        """Set `outputs`; the inputs go back to the engine, unless somebody else holds them."""
        result = frame.result(self.context.model)
        if not result.inputs:
            raise InputError(
                f"stage {self.context.name}: nothing has given the inputs of model {self.context.model}",
                hint="have a stage before it, or the source, give them: preprocess does for pictures",
            )
        if self._feeds:
            result.inputs = {**result.inputs, **self._fed()}
        result.outputs = self._runner.infer(result.inputs)
        result.inputs = {}
        self._kept = {name: result.outputs[output] for name, output in self._feeds.items()}
        return frame

    def _fed(self) -> dict[str, Array]:
        if self._kept:
            return self._kept
        lent = self._runner.lend()
        for name in self._feeds:
            lent[name].fill(0)
        return {name: lent[name].copy() for name in self._feeds}

    def reset(self) -> None:
        """Forget what the model remembers."""
        self._kept = {}

    def gap(self, missing: int) -> None:
        """Forget it too: what it would go on from is not what came before."""
        del missing
        self._kept = {}
