"""`preprocess`: the frame becomes the model's input, by the one conversion that was planned at the start."""

from __future__ import annotations

from edgekit.device.runtime.frames.item import Item
from edgekit.device.runtime.stages import Stage, StageContext
from edgekit.errors import InputError
from edgekit.imaging.conversion import Converter, plan_conversion


class Preprocess(Stage):
    """Scales, converts colours, and lays out the tensor."""

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        if context.contract is None:
            raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
        self._converter = Converter(plan_conversion(context.frames, context.contract))

    def __call__(self, item: Item) -> Item:
        """Set `rgb` and `tensor`."""
        item.rgb = self._converter.rgb(item.image)
        item.tensor = self._converter.tensor(item.rgb)
        return item
