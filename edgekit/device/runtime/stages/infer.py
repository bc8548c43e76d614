"""`infer`: the engine runs."""

from __future__ import annotations

from edgekit.device.runtime.frames.item import Item
from edgekit.device.runtime.stages import Stage, StageContext
from edgekit.errors import InputError


class Infer(Stage):
    """Runs the stage's engine on the item's tensor."""

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        if context.runner is None:
            raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
        self._runner = context.runner

    def __call__(self, item: Item) -> Item:
        """Set `outputs`; the tensor is not needed any more."""
        assert item.tensor is not None, "`infer` comes after `preprocess`"
        item.outputs = self._runner.infer({self._runner.picture: item.tensor})
        item.tensor = None
        return item
