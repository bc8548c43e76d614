"""`preprocess`: the frame becomes the model's input, by the one conversion that was planned at the start."""

from __future__ import annotations

from functools import partial

from edgekit.device.runner import Runner
from edgekit.errors import InputError
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.stage import Array, Frame, Stage, StageContext


class Preprocess(Stage):
    """Scales, converts colours, and lays out the tensor where the engine reads it.

    The memory is the engine's, and comes back to it when `infer` is done with it or the frame ends, wherever that is.
    As nobody ever waits for it, a lane behind this one that stands still cannot stop this one by it.
    """

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        if context.contract is None or context.runner is None:
            raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
        plan, runner = plan_conversion(context.stream.spec, context.contract), context.runner
        self._converter = Converter(plan, runner.filler(plan) if isinstance(runner, Runner) else None)
        self._runner, self._around = runner, plan.around

    def __call__(self, frame: Frame) -> Frame:
        """Set the model's `inputs`; its `picture` is made when a stage first asks for it."""
        result = frame.result(self.context.model)
        result.draw(partial(self._converter.rgb, frame.image))
        result.inputs = self._filled(frame)
        return frame

    def _filled(self, frame: Frame) -> dict[str, Array]:
        """Bars, which may be as large as the picture, are written once into each set of buffers."""
        runner, image = self._runner, frame.image
        if not isinstance(runner, Runner):  # a recipe's test may have one of its own
            lent = runner.lend()
            self._converter.fill(image, lent[runner.picture])
            return lent
        lent, held = runner.lend_picture(self._around)
        tensor = lent[runner.picture]
        self._converter.fill(image, tensor, bars=not held)
        runner.filled(tensor, self._around)
        tensor.flags.writeable = False
        return lent

    def close(self) -> None:
        """Free what converts."""
        self._converter.close()
