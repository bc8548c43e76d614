"""What goes into an engine and comes out of it: named tensors, and memory that accelerators reach where it lies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.errors import EngineError, InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract

Tensor: TypeAlias = npt.NDArray[np.generic]
Tensors: TypeAlias = Mapping[str, Tensor]
"""By the names that the engine has for them."""
OPEN = -1
"""A size that only the content tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output of an engine."""

    name: str
    shape: tuple[int, ...]
    """`OPEN` is a size that is known after each run: of outputs alone."""
    dtype: np.dtype[Any]

    @property
    def is_fixed(self) -> bool:
        """Whether every size is known before a run."""
        return OPEN not in self.shape

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def fixed_inputs(found: Iterable[TensorSpec], plan: EnginePlan, engine: str, hint: str) -> tuple[TensorSpec, ...]:
    """The inputs of an engine, with sizes that it leaves open as its plan has them.

    Args:
        found: as the engine says them.
        plan: says which input takes the picture, and what that is.
        engine: for messages.
        hint: what helps where they do not fit.

    Raises:
        InputError: the engine does not take what the plan says.
    """
    inputs = tuple(found)
    name = picture_name(inputs, plan, engine, hint)
    return tuple(_fixed(spec, plan.contract if spec.name == name else None, engine, hint) for spec in inputs)


def picture_name(inputs: tuple[TensorSpec, ...], plan: EnginePlan, engine: str, hint: str) -> str:
    """The input that takes the picture: the one that the plan names, or the only one left; empty where none does.

    Raises:
        InputError: there is no such input, or no plain one that the plan names.
    """
    names = [spec.name for spec in inputs if spec.name not in plan.plain]
    if lacking := sorted(set(plan.plain) - {spec.name for spec in inputs}):
        raise InputError(f"engine {engine} has no input {lacking[0]}, which its plan names", hint=hint)
    if plan.input is None:
        if names:
            raise InputError(f"engine {engine} has an input that its plan does not name: {names[0]}", hint=hint)
        return ""
    if not plan.picture and len(names) == 1:
        return names[0]
    if plan.picture in names:
        return plan.picture
    problem = f"no input {plan.picture}" if plan.picture else "no one input that takes the picture"
    raise InputError(f"engine {engine} has {problem}, it has {len(names)}: {', '.join(names)}", hint=hint)


def _fixed(spec: TensorSpec, contract: ColourContract | None, engine: str, hint: str) -> TensorSpec:
    if contract is None:
        if not spec.is_fixed:
            raise InputError(f"engine {engine} leaves sizes of its input {spec.name} open: {spec}", hint=hint)
        return spec
    wanted = TensorSpec(name=spec.name, shape=contract.tensor_shape, dtype=np.dtype(contract.dtype))
    fits = len(spec.shape) == len(wanted.shape) and all(
        size in (OPEN, fixed) for size, fixed in zip(spec.shape, wanted.shape, strict=True)
    )
    if not fits or spec.dtype != wanted.dtype:
        raise InputError(f"engine {engine} takes {spec} as {spec.name!r}, its contract says {wanted}", hint=hint)
    return wanted


def check_tensors(tensors: Tensors, specs: Iterable[TensorSpec]) -> None:
    """Every input must be there, and be what the engine takes. Raises EngineError."""
    expected = {spec.name: spec for spec in specs}
    for name, tensor in tensors.items():
        spec = expected.pop(name, None)
        if spec is None:
            raise EngineError(f"the engine has no input {name}", hint="name inputs as the model does")
        if tensor.shape != spec.shape or tensor.dtype != spec.dtype:
            given = f"{tensor.dtype} {list(tensor.shape)}"
            raise EngineError(f"the engine takes {spec} as its input {name}, it was given {given}", hint="report this")
    if expected:
        raise EngineError(f"the engine's input {', '.join(expected)} was not given", hint="give all inputs")


class InputBuffers:
    """One array for each input of an engine: plain memory of the process."""

    def __init__(self, arrays: Tensors) -> None:
        self.arrays: Tensors = arrays
        self.around: object = None
        """What the picture's input holds around the picture; None: nobody knows."""

    @property
    def is_contiguous(self) -> bool:
        """Whether every array lies in memory without gaps."""
        return all(array.flags.c_contiguous for array in self.arrays.values())


def plain_inputs(specs: Iterable[TensorSpec]) -> InputBuffers:
    """Buffers of zeros; pages that nobody writes to take no memory."""
    return InputBuffers({spec.name: np.zeros(spec.shape, spec.dtype) for spec in specs})


class _Loan:
    """Input buffers that are lent: whoever holds one of the arrays holds this, and its end gives them back."""

    __slots__ = ("_pool", "buffers")

    def __init__(self, pool: InputPool, buffers: InputBuffers) -> None:
        self._pool, self.buffers = pool, buffers

    def __del__(self) -> None:
        self._pool.take_back(self.buffers)


class _LentArray:
    """What numpy keeps for a lent array: it names the memory, and lives as long as any view of it."""

    __slots__ = ("__array_interface__", "loan")

    def __init__(self, loan: _Loan, array: Tensor) -> None:
        self.loan = loan
        self.__array_interface__ = array.__array_interface__


class InputPool:
    """Input buffers of one engine that are lent out ahead of a run, so that a picture is written where it is read.

    A set is given back when nobody holds any of its arrays any more, nor a view of one. So a frame that is dropped, a
    stage that fails or a stream that ends cannot keep it, and nobody can write into what another one has. Nothing here
    waits: where all sets are lent, there is none. Threads share it, and a finaliser may run anywhere: no locks.
    """

    def __init__(self, sets: Iterable[InputBuffers]) -> None:
        self._free = deque(sets)
        self.count = len(self._free)
        self._last: deque[Callable[[], None]] = deque()
        self._closing = False

    def lend(self, *, keep_around: bool = False) -> dict[str, Tensor] | None:
        """Arrays by name, of the shape and dtype of the engine's inputs; None where all are lent.

        Args:
            keep_around: whoever takes them sees to `InputBuffers.around`; others may write anything anywhere.
        """
        try:
            buffers = self._free.pop()
        except IndexError:
            return None
        if self._closing:
            self.take_back(buffers)
            return None
        if not keep_around:
            buffers.around = None
        loan = _Loan(self, buffers)
        return {name: np.asarray(_LentArray(loan, array)) for name, array in loan.buffers.arrays.items()}

    def take_back(self, buffers: InputBuffers) -> None:
        """The end of a loan."""
        self._free.append(buffers)
        self._end()

    def close(self, then: Callable[[], None]) -> None:
        """Lend no more, and call `then` once, as soon as nothing is lent."""
        self._closing = True
        self._last.append(then)
        self._end()

    def _end(self) -> None:
        if self._last and len(self._free) == self.count:
            try:
                then = self._last.pop()
            except IndexError:  # another thread's
                return
            self._free.clear()
            then()


def lent_buffers(tensors: Tensors) -> InputBuffers | None:
    """The set of buffers that these arrays are, whole and all of one set; None where they are other memory."""
    loans = [_loan_of(tensor) for tensor in tensors.values()]
    first = loans[0] if loans else None
    if first is None or any(loan is not first for loan in loans):
        return None
    arrays = first.buffers.arrays
    whole = tensors.keys() == arrays.keys() and all(
        tensor.ctypes.data == arrays[name].ctypes.data
        and (tensor.shape, tensor.strides, tensor.dtype)
        == (arrays[name].shape, arrays[name].strides, arrays[name].dtype)
        for name, tensor in tensors.items()
    )
    return first.buffers if whole else None


def buffers_behind(tensor: Tensor) -> InputBuffers | None:
    """The set of buffers that a lent array, or a view of one, is of; None for other memory."""
    loan = _loan_of(tensor)
    return loan.buffers if loan else None


def _loan_of(tensor: Tensor) -> _Loan | None:
    base: object = tensor
    while isinstance(base, np.ndarray):
        base = base.base
    return base.loan if isinstance(base, _LentArray) else None
