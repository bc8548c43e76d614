"""A loaded engine, whatever the accelerator: its tensors by name, its slots, and input buffers to fill ahead."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.device.runner.slots import TIMEOUT_S, EngineContext, Slot, SlotGate, SlotPool, SlotUse, SlotWatch
from edgekit.device.runner.tensors import (
    InputBuffers,
    InputPool,
    Tensor,
    Tensors,
    TensorSpec,
    buffers_behind,
    lent_buffers,
    plain_inputs,
)

if TYPE_CHECKING:  # engines are tried on builder devices too, which have no OpenCV
    from edgekit.imaging.conversion import TensorFiller
    from edgekit.imaging.planning import Conversion


def spare_sets(slots: int) -> int:
    """How many sets of input buffers are lent beside the slots' own: one filled ahead for each, one being filled."""
    return slots + 1


def no_filler(_plan: Conversion) -> None:
    """Of accelerators that convert no frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEngine:
    """What an accelerator's module gives for one engine."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    picture: str
    """The input that takes the picture of the colour contract; empty: none does."""
    contexts: tuple[EngineContext, ...]
    """One for each inference that may run at the same time."""
    spare: tuple[InputBuffers, ...] = ()
    """Input buffers beside the contexts' own, to be lent out."""
    close: Callable[[], None]
    """Frees all of it; called once."""
    hint: str
    """What helps where the accelerator does not answer."""
    memory_bytes: int = 0
    """What it takes on the accelerator to run, where that is known."""
    filler: Callable[[Conversion], TensorFiller | None] = no_filler
    """The accelerator's own executor of a conversion into its inputs; None where it has none."""


class Runner:
    """A loaded engine. Any number of threads may call it; as many inferences as it has slots run at the same time."""

    def __init__(self, engine: LoadedEngine) -> None:
        self.engine = engine
        self._slots = SlotPool(engine.contexts, engine.inputs, engine.hint)
        self._spare = InputPool(engine.spare)
        self._closed = False

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Every input; all of them are given for each inference."""
        return self.engine.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Every output."""
        return self.engine.outputs

    @property
    def picture(self) -> str:
        """The input that takes the picture of the model's colour contract; empty: none does."""
        return self.engine.picture

    @property
    def slots(self) -> int:
        """How many inferences may run at the same time."""
        return self._slots.count

    def share(self, gate: SlotGate) -> None:
        """Go through this to an accelerator that other engines use too; before anybody takes a slot."""
        self._slots.gate = gate

    def watch(self, watch: SlotWatch | None) -> None:
        """Have this called for each slot that is given back from now on; None: nobody any more."""
        self._slots.watch = watch

    @property
    def use(self) -> SlotUse:
        """How much its slots were used since the start; for any thread."""
        return self._slots.use

    @property
    def memory_bytes(self) -> int:
        """What it takes on the accelerator to run; 0 where that is not known."""
        return self.engine.memory_bytes

    def lend(self) -> dict[str, Tensor]:
        """Input buffers to fill ahead of a run, which `submit` and `infer` take without a copy. Never waits.

        Returns:
            Arrays by name, one for each input, with what their last use left in them. Where all that the accelerator
            knows are lent, new memory, which it may have to copy. They belong to whoever holds one of the arrays, or
            a view of one, and are given back when nobody does, also where that is after `close`.
        """
        return self._spare.lend() or dict(plain_inputs(self.inputs).arrays)

    def lend_picture(self, around: object) -> tuple[dict[str, Tensor], bool]:
        """As `lend`, to whoever fills the picture's input, says so to `filled`, and lets nobody write into it later.

        Args:
            around: what that input shall hold around the picture.

        Returns:
            The arrays, and whether the input holds that already.
        """
        lent = self._spare.lend(keep_around=True)
        if lent is None:
            return dict(plain_inputs(self.inputs).arrays), False
        buffers = buffers_behind(lent[self.picture])
        assert buffers is not None, "it was lent"
        held, buffers.around = buffers.around == around, None
        return lent, held

    def filled(self, tensor: Tensor, around: object) -> None:
        """The picture's input of a set that was lent holds a picture, and this around it."""
        buffers = buffers_behind(tensor)
        if buffers is not None:
            buffers.around = around

    def filler(self, plan: Conversion) -> TensorFiller | None:
        """The accelerator's own executor of a conversion into what `lend` gives, to be closed; None: it has none."""
        return self.engine.filler(plan)

    def take(self, tensors: Tensors | None = None, *, timeout_s: float = TIMEOUT_S) -> Slot:
        """Take a slot; sleeps until one is free.

        Args:
            tensors: what it will be given: a slot that reads it without a copy is preferred.
            timeout_s: how long to wait.

        Raises:
            EngineError: none became free, or the engine is closed.
        """
        return self._slots.take(lent_buffers(tensors) if tensors else None, timeout_s)

    def infer(self, tensors: Tensors) -> dict[str, Tensor]:
        """Run once, in a slot of its own.

        Args:
            tensors: all inputs by name; read only during the call. Those that `lend` gave are not copied.

        Returns:
            The outputs by name. The caller owns them: the runner neither keeps nor reuses their memory.

        Raises:
            EngineError: an input is missing or another, no slot becomes free, or the accelerator says so.
        """
        with self.take(tensors) as slot:
            slot.submit(tensors)
            return {name: array.copy() for name, array in slot.wait().items()}

    def close(self, *, timeout_s: float = TIMEOUT_S) -> None:
        """Free the engine once no slot is taken and no buffer lent. May be called twice.

        Args:
            timeout_s: how long to wait for slots that are taken.

        Raises:
            EngineError: a slot is not given back in time; nothing is freed then, and it may be called again.
        """
        self._slots.close(timeout_s)
        if not self._closed:
            self._closed = True
            free = self.engine.close
            self.engine = dataclasses.replace(self.engine, contexts=(), spare=(), close=lambda: None)
            self._spare.close(free)
