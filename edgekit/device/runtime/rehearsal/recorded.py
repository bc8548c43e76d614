"""Answers of an engine that cannot run on this machine, recorded where it can: a simulator, a board."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.device.runner.loaded import LoadedEngine, Runner
from edgekit.device.runner.tensors import InputBuffers, Tensors, TensorSpec, plain_inputs
from edgekit.device.runtime.rehearsal.watch import CannotTry
from edgekit.errors import InputError
from edgekit.schema.answers import output_name
from edgekit.schema.recipe import ColourContract

_PICTURE = "picture"


class Recorded:
    """Stands in for an engine: its `runner` gives what was recorded for the current picture."""

    def __init__(self, file: Path, contract: ColourContract) -> None:
        """Read an `.npz` with an array `output:NAME` for each output, [pictures, ...].

        Args:
            file: the recording.
            contract: what the engine's input is.
        """
        with np.load(file, allow_pickle=False) as arrays:
            self._answers = {output_name(name): arrays[name] for name in arrays.files}
        self._picture: int | None = None
        inputs = (TensorSpec(name=_PICTURE, shape=contract.tensor_shape, dtype=np.dtype(contract.dtype)),)
        self.runner = Runner(
            LoadedEngine(
                inputs=inputs,
                outputs=tuple(
                    TensorSpec(name=name, shape=array.shape[1:], dtype=array.dtype)
                    for name, array in self._answers.items()
                ),
                picture=_PICTURE,
                contexts=(_RecordedContext(self, plain_inputs(inputs)),),
                close=lambda: None,
                hint="report this",
            )
        )

    def turn_to(self, picture: int) -> None:
        """Answer for this picture, once."""
        if any(picture >= len(array) for array in self._answers.values()):
            raise InputError("there are fewer recorded answers than pictures", hint="build the release again")
        self._picture = picture

    def answer(self) -> Tensors:
        """What was recorded for the current picture. Raises CannotTry where it was asked for before."""
        if self._picture is None:
            raise CannotTry("it asks its engine other than once for each frame, and one answer for each is recorded")
        picture, self._picture = self._picture, None
        return {name: array[picture] for name, array in self._answers.items()}


class _RecordedContext:
    """See `edgekit.device.runner.slots.EngineContext`; what it is given does not count."""

    def __init__(self, recorded: Recorded, inputs: InputBuffers) -> None:
        self._recorded, self.inputs = recorded, inputs

    def accepts(self, inputs: InputBuffers) -> bool:  # noqa: ARG002
        return True

    def start(self, inputs: InputBuffers) -> None:
        pass

    def finish(self) -> Tensors:
        return self._recorded.answer()

    def cancel(self) -> None:
        pass
