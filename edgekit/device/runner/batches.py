"""An engine of a batch runs what is there: pictures of several streams together, and never waits for one more.

Each place of the batch is a slot of its own, for one picture. Whoever waits for an answer while the engine is idle runs
it at once, with all that others have submitted by then; what comes meanwhile goes together the next time. So a stream
that sends nothing costs nobody anything, and the batches grow as the load does.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace

import numpy as np

from edgekit.device.runner.loaded import LoadedEngine, Runner, spare_sets
from edgekit.device.runner.tensors import InputBuffers, Tensor, Tensors, TensorSpec, plain_inputs
from edgekit.errors import EdgekitError, EngineError, InputError

_AHEAD = 2
"""Slots for each place of the batch: while one batch is computed, as many pictures gather for the next."""


def gathering(inner: Runner) -> Runner:
    """The engine as one for single pictures; frees it where it cannot be.

    Raises:
        InputError: an output has no place for each picture of the batch.
    """
    size = inner.inputs[0].shape[0]
    for spec in (*inner.inputs, *inner.outputs):
        if not spec.is_fixed or not spec.shape or spec.shape[0] != size:
            inner.close()
            raise InputError(
                f"{spec.name} of the engine is {spec}, with no place for each of {size} pictures",
                hint="write batch = 1 in models.<name>.input of recipe.toml",
            )
    inputs, outputs = _of_one(inner.inputs), _of_one(inner.outputs)
    batches = Batches(inner, size)
    slots = _AHEAD * size * inner.slots
    return Runner(
        LoadedEngine(
            inputs=inputs,
            outputs=outputs,
            picture=inner.picture,
            contexts=tuple(BatchPlace(batches, inputs, outputs) for _ in range(slots)),
            spare=tuple(plain_inputs(inputs) for _ in range(spare_sets(slots))),
            close=inner.close,
            hint=inner.engine.hint,
            memory_bytes=inner.memory_bytes,
        )
    )


def _of_one(specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    return tuple(replace(spec, shape=(1, *spec.shape[1:])) for spec in specs)


class BatchPlace:
    """One picture's place. See `EngineContext`; it runs with others in `finish`."""

    def __init__(self, batches: Batches, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
        self.inputs = plain_inputs(inputs)
        self.given: Tensors = {}
        self.outputs: dict[str, Tensor] = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in outputs}
        self.error: EngineError | None = None
        self.taken = self.answered = False
        self._batches = batches

    def accepts(self, inputs: InputBuffers) -> bool:  # noqa: ARG002  each is copied into the batch
        """See `EngineContext.accepts`."""
        return True

    def start(self, inputs: InputBuffers) -> None:
        """See `EngineContext.start`."""
        self.given, self.error = inputs.arrays, None
        self.taken = self.answered = False

    def finish(self) -> Tensors:
        """See `EngineContext.finish`."""
        self._batches.run(self)
        self.given = {}
        if self.error is not None:
            raise EngineError(self.error.message, hint=self.error.hint, cause=self.error.cause) from self.error
        return self.outputs

    def cancel(self) -> None:
        """See `EngineContext.cancel`: nothing runs before `finish`."""
        self.given = {}


class Batches:
    """Who waits for one engine, and which of them runs it. Any thread may ask."""

    def __init__(self, inner: Runner, size: int) -> None:
        self._inner, self._size = inner, size
        self._waiting: deque[BatchPlace] = deque()
        self._leading = 0
        """Threads that run the engine, or wait for one of its own slots."""
        self._changed = threading.Condition()

    def run(self, place: BatchPlace) -> None:
        """Return when the place is answered."""
        with self._changed:
            self._waiting.append(place)
        while True:
            with self._changed:
                while not place.answered and (place.taken or self._leading >= self._inner.slots):
                    self._changed.wait()
                if place.answered:
                    return
                self._leading += 1
            self._lead()

    def _lead(self) -> None:
        """Run the first that wait, as many as there are by the time that the engine is free."""
        members: list[BatchPlace] = []
        error: EngineError | None = EngineError("the batch was broken off", hint="report this")
        try:
            with self._inner.take() as slot:
                members = self._first()
                for row, member in enumerate(members):
                    for name, array in member.given.items():
                        np.copyto(slot.inputs[name][row], array[0])
                if members:
                    slot.submit()
                    self._answer(members, slot.wait())
            error = None
        except EdgekitError as failed:
            error = EngineError(failed.message, hint=failed.hint, cause=failed.cause)
        finally:
            members = members or (self._first() if error else [])
            with self._changed:
                for member in members:
                    member.error, member.answered = error, True
                self._leading -= 1
                self._changed.notify_all()

    def _first(self) -> list[BatchPlace]:
        """In the order of their calls."""
        with self._changed:
            members = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            for member in members:
                member.taken = True
            return members

    @staticmethod
    def _answer(members: list[BatchPlace], found: Tensors) -> None:
        """To each its own: the answers of places that nobody had are thrown away."""
        for row, member in enumerate(members):
            for name, array in member.outputs.items():
                np.copyto(array[0], found[name][row])
