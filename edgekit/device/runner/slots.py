"""Places to compute on an accelerator: taken for one inference at a time, and given back."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from edgekit.device.runner.tensors import InputBuffers, Tensors, TensorSpec, check_tensors, lent_buffers
from edgekit.errors import EngineError

TIMEOUT_S = 30.0


class EngineContext(Protocol):
    """What an accelerator computes with: a GPU stream, an NPU core, a session. One thread at a time uses it."""

    @property
    def inputs(self) -> InputBuffers:
        """Its own input buffers."""

    def accepts(self, inputs: InputBuffers) -> bool:
        """Whether it reads these buffers where they lie; others are copied into its own."""

    def start(self, inputs: InputBuffers) -> None:
        """Begin with these buffers, which it accepts; they stay there and unchanged until `finish` or `cancel` returns.

        An accelerator that can work by itself begins now, the others in `finish`.
        """

    def finish(self) -> Tensors:
        """Sleep until the outputs are there, or compute them on this thread.

        Returns:
            The context's own output buffers, valid until its next `start`.
        """

    def cancel(self) -> None:
        """What was started needs no answer: when this returns, the accelerator uses no buffer any more."""


class Slot:
    """A place to compute on that is taken. One thread at a time uses it, until `release` or the end of its `with`.

        with runner.take() as slot:
            slot.inputs["images"][:] = picture
            slot.submit()
            boxes = slot.wait()["boxes"].copy()

    All arrays that it gives belong to it: they may be used until it is given back, and not after.
    """

    def __init__(self, pool: SlotPool, context: EngineContext, specs: tuple[TensorSpec, ...]) -> None:
        self._pool, self._specs = pool, specs
        self._context: EngineContext | None = context
        self._running: Tensors | None = None
        """What is being read; held, so that nobody else gets it."""

    @property
    def inputs(self) -> Tensors:
        """Its own input buffers, by name: filled in place, they are not copied again. They keep what is in them."""
        return self._taken().inputs.arrays

    def submit(self, tensors: Tensors | None = None) -> None:
        """Start one inference.

        Args:
            tensors: all inputs; None: what lies in `inputs`. Arrays that `Runner.lend` gave are read where they lie,
                and so is other memory that the accelerator reaches; the rest is copied into `inputs`. They must not
                change before `wait` has returned.

        Raises:
            EngineError: an input is missing or another, one inference is under way, or the accelerator says so.
        """
        context = self._taken()
        if self._running is not None:
            raise EngineError("the slot is still at its last inference", hint="wait for it first")
        given = context.inputs if tensors is None else self._readable(context, tensors)
        self._running = tensors or {}
        try:
            context.start(given)
        except BaseException:
            with suppress(EngineError):
                context.cancel()
            self._running = None
            raise

    def wait(self) -> Tensors:
        """Sleep until the inference is done; where the accelerator is the CPU, this thread computes it.

        Returns:
            The outputs by name, where the accelerator wrote them: valid until the next `submit` or the slot's return.

        Raises:
            EngineError: nothing was submitted, or the accelerator says so; the slot can be used again.
        """
        context = self._taken()
        if self._running is None:
            raise EngineError("nothing was submitted to the slot", hint="submit first")
        try:
            return context.finish()
        finally:
            self._running = None

    def release(self) -> None:
        """Give it back; what was submitted and not waited for has ended then. May be called twice."""
        context, self._context = self._context, None
        if context is None:
            return
        try:
            if self._running is not None:
                with suppress(EngineError):
                    context.cancel()
        finally:
            self._running = None
            self._pool.take_back(context)

    def __enter__(self) -> Slot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _taken(self) -> EngineContext:
        if self._context is None:
            raise EngineError("the slot was given back", hint="take another")
        return self._context

    def _readable(self, context: EngineContext, tensors: Tensors) -> InputBuffers:
        check_tensors(tensors, self._specs)
        given = lent_buffers(tensors) or InputBuffers(tensors)
        if context.accepts(given):
            return given
        for name, tensor in tensors.items():
            np.copyto(context.inputs.arrays[name], tensor)
        return context.inputs


class SlotUse(NamedTuple):
    """How much the slots of one engine were used, since its start."""

    slots: int
    taken: int
    """Now."""
    times: int
    """How often one was taken."""
    busy_s: float
    """All of them together."""
    waited_s: float
    """By those who found none free, until they had one."""


class SlotTurn(NamedTuple):
    """A slot that was taken, and given back."""

    began_s: float
    """When it was taken, monotonic."""
    took_s: float
    waited_s: float
    """How long its thread had waited for one."""
    slot: int
    """Which, from 0."""


SlotWatch: TypeAlias = Callable[[SlotTurn], None]


class SlotGate(Protocol):
    """Leads to an accelerator that other engines use too. Its places are numbered as slots are."""

    def enter(self, prefers: tuple[int, ...], timeout_s: float, closed: Callable[[], bool]) -> int | None:
        """Wait for a place, rather one of those that are preferred; None: none in time, or `closed` has become true."""

    def leave(self, place: int, took_s: float) -> None:
        """The place is free again after so long."""


class SlotPool:
    """Hands contexts out as slots. Threads share it; whoever finds none free sleeps until it is his turn.

    In the order of their calls: a thread that takes one slot after the other keeps no other thread waiting.
    """

    def __init__(
        self,
        contexts: Iterable[EngineContext],
        specs: tuple[TensorSpec, ...],
        hint: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with all of them free.

        Args:
            contexts: what is handed out.
            specs: the engine's inputs.
            hint: what helps where none becomes free.
            clock: monotonic seconds.
        """
        self._specs, self._hint, self._clock = specs, hint, clock
        self._taken_s: dict[int, float] = {}
        """Since when each context is out, by its identity."""
        self._waits_s: dict[int, float] = {}
        """How long those who have them waited."""
        self.watch: SlotWatch | None = None
        """Called for each slot that is given back, while there is one."""
        self.gate: SlotGate | None = None
        """Decides who is next, where others use the accelerator too. Set before anybody takes a slot."""
        self._times, self._busy_s, self._waited_s = 0, 0.0, 0.0
        self._free = deque(contexts)
        self._all = tuple(self._free)
        self._order = {id(context): number for number, context in enumerate(self._all)}
        self.count = len(self._free)
        self._waiting: deque[object] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def take(self, inputs: InputBuffers | None, timeout_s: float) -> Slot:
        """A slot, of those that are free rather one that reads `inputs` where they lie. Raises EngineError."""
        asked_s = self._clock()
        if self.gate is not None:
            return self._take_place(self.gate, inputs, timeout_s, asked_s)
        mine = object()
        with self._changed:
            self._waiting.append(mine)
            try:
                if not self._changed.wait_for(lambda: self._closed or self._is_next(mine), timeout_s):
                    raise self._none_free(timeout_s)
            finally:
                self._waiting.remove(mine)
                self._changed.notify_all()
            if self._closed:
                raise _closed()
            context = next((one for one in self._free if inputs is not None and one.accepts(inputs)), self._free[0])
            return self._taken(context, asked_s)

    def _take_place(self, gate: SlotGate, inputs: InputBuffers | None, timeout_s: float, asked_s: float) -> Slot:
        """The slot of the place that the accelerator gives."""
        prefers = [number for number, one in enumerate(self._all) if inputs is not None and one.accepts(inputs)]
        place = gate.enter(tuple(prefers), timeout_s, lambda: self._closed)
        with self._changed:
            if place is not None and not self._closed:
                return self._taken(self._all[place], asked_s)
        if place is not None:
            gate.leave(place, 0.0)
        raise _closed() if self._closed else self._none_free(timeout_s)

    def _taken(self, context: EngineContext, asked_s: float) -> Slot:
        """With the lock held."""
        self._free.remove(context)
        self._taken_s[id(context)] = now_s = self._clock()
        self._times += 1
        self._waits_s[id(context)] = now_s - asked_s
        self._waited_s += now_s - asked_s
        return Slot(self, context, self._specs)

    def _none_free(self, timeout_s: float) -> EngineError:
        return EngineError(f"none of {self.count} slots became free within {timeout_s:g} s", hint=self._hint)

    @property
    def use(self) -> SlotUse:
        """How much they were used since the start; for any thread."""
        with self._changed:
            now_s = self._clock()
            under_way_s = sum(now_s - since_s for since_s in self._taken_s.values())
            return SlotUse(self.count, len(self._taken_s), self._times, self._busy_s + under_way_s, self._waited_s)

    def _is_next(self, mine: object) -> bool:
        return bool(self._free) and self._waiting[0] is mine

    def take_back(self, context: EngineContext) -> None:
        """A slot's end."""
        with self._changed:
            began_s, waited_s = self._taken_s.pop(id(context)), self._waits_s.pop(id(context))
            took_s = self._clock() - began_s
            self._busy_s += took_s
            self._free.append(context)
            self._changed.notify_all()
        place = self._order[id(context)]
        if self.gate is not None:
            self.gate.leave(place, took_s)
        if (watch := self.watch) is not None:
            watch(SlotTurn(began_s, took_s, waited_s, place))

    def close(self, timeout_s: float) -> None:
        """Hand out no more, and wait for those that are out. Raises EngineError where one stays out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: len(self._free) == self.count, timeout_s):
                out = self.count - len(self._free)
                raise EngineError(f"{out} of {self.count} slots are still taken after {timeout_s:g} s", hint=self._hint)
            self._free.clear()
            self._all = ()
            self.count = 0


def _closed() -> EngineError:
    return EngineError("the engine is closed", hint="report this")
