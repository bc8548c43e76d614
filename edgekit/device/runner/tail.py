"""The second part of a model that was split: what an engine gives is computed to its end in float, on the CPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from edgekit.device.runner.loaded import Runner
from edgekit.device.runner.onnxruntime import SessionContext, open_session, specs_of
from edgekit.device.runner.slots import EngineContext
from edgekit.device.runner.tensors import InputBuffers, Tensor, Tensors, TensorSpec
from edgekit.errors import InputError
from edgekit.schema.plan import EnginePlan


def with_tail(head: Runner, plan: EnginePlan, path: Path, cache: Path | None) -> Runner:
    """Put a tail behind a loaded engine, with as many slots; frees the engine where it cannot be.

    The tail's threads are the engine's `threads`, where its lanes run.

    Raises:
        InputError: the tail cannot be loaded, or the engine does not give what it takes.
    """
    try:
        session = open_session(plan, path, cache)
        inputs, outputs = specs_of(session.get_inputs()), specs_of(session.get_outputs())
        engine, taken = head.engine, {spec.name for spec in inputs}
        contexts = tuple(TailContext(one, SessionContext(session, inputs, outputs), inputs, path.name)
                         for one in engine.contexts)  # fmt: skip
        own = tuple(spec for spec in engine.outputs if spec.name not in taken)
        return Runner(dataclasses.replace(engine, contexts=contexts, outputs=(*own, *outputs)))
    except BaseException:
        head.close()
        raise


class TailContext:
    """A context of an engine, and the arithmetic behind it on the thread that waits. See `EngineContext`."""

    def __init__(self, head: EngineContext, tail: SessionContext, taken: tuple[TensorSpec, ...], name: str) -> None:
        self._head, self._tail, self._taken, self._name = head, tail, taken, name

    @property
    def inputs(self) -> InputBuffers:
        """See `EngineContext.inputs`."""
        return self._head.inputs

    def accepts(self, inputs: InputBuffers) -> bool:
        """See `EngineContext.accepts`."""
        return self._head.accepts(inputs)

    def start(self, inputs: InputBuffers) -> None:
        """See `EngineContext.start`."""
        self._head.start(inputs)

    def finish(self) -> Tensors:
        """See `EngineContext.finish`. Outputs that the engine gives itself stay.

        Raises:
            InputError: the engine does not give what the tail takes.
        """
        found = dict(self._head.finish())
        given = {spec.name: self._as_taken(spec, found.pop(spec.name, None)) for spec in self._taken}
        self._tail.start(InputBuffers(given))
        return {**found, **self._tail.finish()}

    def cancel(self) -> None:
        """See `EngineContext.cancel`."""
        self._head.cancel()

    def _as_taken(self, spec: TensorSpec, array: Tensor | None) -> Tensor:
        """Runtimes may leave axes of one out, or give another float type."""
        if array is None or array.size != np.prod(spec.shape):
            raise InputError(
                f"{self._name} takes {spec.name} {list(spec.shape)}, and the engine does not give it",
                hint="build the release again",
            )
        return np.ascontiguousarray(array, spec.dtype).reshape(spec.shape)
