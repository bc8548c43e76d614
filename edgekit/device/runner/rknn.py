"""RKNN engines on RK3588's NPU: a slot for each core that is theirs, one context a core, all on the same weights."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.device.runner.librga import LIBRARIES as RGA_LIBRARIES
from edgekit.device.runner.librga import Librga, open_rga
from edgekit.device.runner.librknnrt import (
    CORES,
    FORMAT_NHWC,
    LIBRARIES,
    SYNC_FROM_DEVICE,
    SYNC_TO_DEVICE,
    TYPE_FLOAT32,
    TYPE_UINT8,
    Attributes,
    BoundMemory,
    Context,
    InputRequest,
    OutputRequest,
    open_library,
)
from edgekit.device.runner.loaded import LoadedEngine, Runner, no_filler, spare_sets
from edgekit.device.runner.tensors import (
    InputBuffers,
    Tensor,
    Tensors,
    TensorSpec,
    buffers_behind,
    fixed_inputs,
    picture_name,
    plain_inputs,
)
from edgekit.errors import EngineError, InputError
from edgekit.schema.plan import EnginePlan

if TYPE_CHECKING:
    from edgekit.imaging.conversion import TensorFiller
    from edgekit.imaging.planning import Conversion

_LOG = logging.getLogger("edgekit.rga")
_HINT = "build the release again"
_SETS_A_CORE = 3
"""Of mapped input buffers: the core's own, and two to lend, of which it reads one while the next is filled. A context
reads no memory that another one made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NpuSystem:
    """The board's libraries."""

    libraries: tuple[str, ...] = LIBRARIES
    """Where the NPU's runtime may be, the first that loads counts."""
    rga: Librga | None = None
    """The 2D engine, where it shall write frames into inputs: these are mapped then."""


def load(plan: EnginePlan, release: Path, *, cache: Path | None = None) -> Runner:  # noqa: ARG001  nothing to keep
    """Load an engine onto the NPU cores that its plan names; see `open_runner`."""
    return open_runner(plan, release / plan.path, system=NpuSystem(rga=rga_for(plan)))


def rga_for(plan: EnginePlan, candidates: Iterable[str] = RGA_LIBRARIES) -> Librga | None:
    """The 2D engine, where a contract lets it scale; None: not asked for, or there is none, as the log says."""
    if plan.contract.sampling != "any":
        return None
    try:
        rga = open_rga(candidates)
    except InputError as error:
        _LOG.warning("frames are converted by the CPU, not by RGA: %s: %s", error.message, error.hint)
        return None
    _LOG.info("frames are converted by RGA where it can: %s", rga.version)
    return rga


def open_runner(
    plan: EnginePlan,
    path: Path,
    *,
    system: NpuSystem | None = None,
    cores: Sequence[int] = (),
    mapped: bool = False,
) -> Runner:
    """Load an engine onto NPU cores.

    Args:
        plan: its plan.
        path: the `.rknn` file.
        system: the board's libraries; None: those at their usual places, without RGA.
        cores: masks of the cores to use; none: those that the plan names, or all.
        mapped: let the NPU read and write memory that is shared with it, instead of having the runtime copy.

    Raises:
        InputError: no runtime, or the engine does not take what its contract says.
        EngineError: the runtime refuses the engine.
    """
    system = system or NpuSystem()
    cores = cores or tuple(1 << core for core in plan.npu_cores) or CORES
    mapped = mapped or system.rga is not None
    contexts: list[CopiedContext | MappedContext] = []
    with contextlib.ExitStack() as held:  # frees duplicates before the context that they share weights with
        base = open_library(system.libraries).open(path)
        held.callback(base.close)
        inputs, picture = _checked_inputs(base, plan, path.name)
        for index, core in enumerate(cores):
            context = base.duplicate() if index else base
            held.callback(context.close)
            context.bind_core(core)
            contexts.append(MappedContext(context, inputs, held) if mapped else CopiedContext(context, inputs))
        copied = () if mapped else tuple(plain_inputs(inputs) for _ in range(spare_sets(len(contexts))))
        spare = tuple(one for context in contexts if isinstance(context, MappedContext) for one in context.spare)
        outputs = tuple(_spec(one, np.dtype(np.float32)) for one in base.outputs())
        memory_bytes = _memory_bytes(base, len(cores))
        filler = _filler(system.rga, spare, picture, held) if system.rga else no_filler
        resources = held.pop_all()
    return Runner(
        LoadedEngine(
            inputs=inputs,
            outputs=outputs,
            picture=picture,
            contexts=tuple(contexts),
            spare=(*copied, *spare),
            close=resources.close,
            hint="see the kernel's log: dmesg | grep -i rknpu",
            memory_bytes=memory_bytes,
            filler=filler,
        )
    )


def _memory_bytes(base: Context, contexts: int) -> int:
    """Duplicates share weights, and each has tensors between layers of its own. A runtime that does not tell runs."""
    with contextlib.suppress(EngineError):
        weights, internal = base.memory_bytes()
        return weights + contexts * internal
    return 0


def _filler(
    rga: Librga, lent: tuple[MappedInputs, ...], picture: str, held: contextlib.ExitStack
) -> Callable[[Conversion], TensorFiller | None]:
    """RGA's executor of conversions, into the buffers that are lent."""
    from edgekit.device.runner.rga_picture import RgaPictures, RgaTarget  # noqa: PLC0415  needs OpenCV

    targets = [RgaTarget(tensor=one.arrays[picture], memory=one.memory_of(picture)) for one in lent]
    pictures = RgaPictures(rga, targets, lambda tensor: _reached(tensor, picture))
    held.callback(pictures.close)
    return pictures.filler


def _reached(tensor: Tensor, picture: str) -> BoundMemory | None:
    """The memory of the input that this array is, a picture without its batch; None: other memory."""
    buffers = buffers_behind(tensor)
    if not isinstance(buffers, MappedInputs) or tensor.ctypes.data != buffers.arrays[picture].ctypes.data:
        return None
    return buffers.memory_of(picture)


def _checked_inputs(context: Context, plan: EnginePlan, name: str) -> tuple[tuple[TensorSpec, ...], str]:
    """The engine's inputs, and which one is the picture: uint8 and NHWC, as mean and scale are inside the engine."""
    found, contract = context.inputs(), plan.contract
    if (contract.dtype, contract.layout) != ("uint8", "NHWC"):
        message = f"engine {name} takes uint8 NHWC, its contract says {contract.dtype} {contract.layout}"
        raise InputError(message, hint=_HINT)
    plain = tuple(_spec(one, np.dtype(np.float32)) for one in found)
    picture = picture_name(plain, plan, name, _HINT)
    if next(one for one in found if one.name == picture).format != FORMAT_NHWC:
        raise InputError(f"engine {name} does not take its picture as NHWC", hint=_HINT)
    specs = [_spec(one, np.dtype(np.uint8 if one.name == picture else np.float32)) for one in found]
    return fixed_inputs(specs, plan, name, _HINT), picture


def _spec(found: Attributes, dtype: np.dtype[Any]) -> TensorSpec:
    return TensorSpec(name=found.name, shape=found.shape, dtype=dtype)


_TYPES = {np.dtype(np.uint8): TYPE_UINT8, np.dtype(np.float32): TYPE_FLOAT32}


class CopiedContext:
    """Has the runtime copy: it converts inputs from any memory, and fills the outputs in place. See `EngineContext`.

    The NPU works in `finish`, where this thread sleeps in the driver.
    """

    def __init__(self, context: Context, inputs: tuple[TensorSpec, ...]) -> None:
        self._context = context
        self.inputs = plain_inputs(inputs)
        self._requests: Any = (InputRequest * len(inputs))()
        for request, spec, found in zip(self._requests, inputs, context.inputs(), strict=True):
            request.index, request.type, request.format = found.index, _TYPES[spec.dtype], found.format
        made = context.outputs()
        self._outputs: dict[str, Tensor] = {one.name: np.zeros(one.shape, np.float32) for one in made}
        self._wanted: Any = (OutputRequest * len(made))()
        for request, one in zip(self._wanted, made, strict=True):
            array = self._outputs[one.name]
            request.want_float, request.is_preallocated, request.index = 1, 1, one.index
            request.buffer, request.bytes = array.ctypes.data, array.nbytes

    def accepts(self, inputs: InputBuffers) -> bool:
        """See `EngineContext.accepts`: whatever lies in memory without gaps."""
        return inputs.is_contiguous

    def start(self, inputs: InputBuffers) -> None:
        """See `EngineContext.start`."""
        for request, name in zip(self._requests, self.inputs.arrays, strict=True):
            array = inputs.arrays[name]
            request.buffer, request.bytes = array.ctypes.data, array.nbytes

    def finish(self) -> Tensors:
        """See `EngineContext.finish`."""
        self._context.run(self._requests)
        self._context.fetch(self._wanted)
        return self._outputs

    def cancel(self) -> None:
        """See `EngineContext.cancel`: nothing runs."""


class MappedInputs(InputBuffers):
    """Input buffers in memory that one context's core reads. Rows lie as far apart as the NPU wants them."""

    def __init__(self, context: Context, specs: tuple[TensorSpec, ...], held: contextlib.ExitStack) -> None:
        self.context = context
        self.bound: list[tuple[Attributes, BoundMemory]] = []
        arrays: dict[str, Tensor] = {}
        for spec, found in zip(specs, context.inputs(), strict=True):
            found.type, found.pass_through = _TYPES[spec.dtype], 0
            memory = context.create_memory(max(found.strided_bytes, found.elements) * spec.dtype.itemsize)
            held.callback(memory.close)
            self.bound.append((found, memory))
            arrays[spec.name] = _rows(memory, found, spec)
        super().__init__(arrays)

    def memory_of(self, name: str) -> BoundMemory:
        """Where an input lies."""
        return next(memory for found, memory in self.bound if found.name == name)


def _rows(memory: BoundMemory, found: Attributes, spec: TensorSpec) -> Tensor:
    flat = np.frombuffer(memory.content, spec.dtype)
    if len(spec.shape) != 4 or found.format != FORMAT_NHWC:
        return flat[: found.elements].reshape(spec.shape)
    _, height, width, channels = spec.shape
    stride = max(found.row_stride, width)
    return flat[: height * stride * channels].reshape(1, height, stride, channels)[:, :, :width]


class MappedContext:
    """Reads inputs and writes outputs where they lie, in memory that the NPU shares. See `EngineContext`.

    The NPU works in `finish`, where this thread sleeps in the driver.
    """

    def __init__(self, context: Context, inputs: tuple[TensorSpec, ...], held: contextlib.ExitStack) -> None:
        self._context = context
        own, *spare = [MappedInputs(context, inputs, held) for _ in range(_SETS_A_CORE)]
        self.inputs: InputBuffers = own
        self.spare = spare
        self._read = self._bind(own)
        self._written: list[BoundMemory] = []
        self._outputs: dict[str, Tensor] = {}
        for made in context.outputs():
            made.type, made.pass_through = TYPE_FLOAT32, 0
            memory = context.create_memory(made.elements * 4)
            held.callback(memory.close)
            memory.bind(made)
            self._written.append(memory)
            content = np.frombuffer(memory.content, np.float32, made.elements)
            self._outputs[made.name] = content.reshape(made.shape)

    def accepts(self, inputs: InputBuffers) -> bool:
        """See `EngineContext.accepts`: memory that this context made."""
        return isinstance(inputs, MappedInputs) and inputs.context is self._context

    def start(self, inputs: InputBuffers) -> None:
        """See `EngineContext.start`."""
        assert isinstance(inputs, MappedInputs), "what it accepts"
        if inputs is not self._read:
            self._read = self._bind(inputs)
        for _, memory in inputs.bound:
            memory.sync(SYNC_TO_DEVICE)

    def finish(self) -> Tensors:
        """See `EngineContext.finish`."""
        self._context.run_bound()
        for memory in self._written:
            memory.sync(SYNC_FROM_DEVICE)
        return self._outputs

    def cancel(self) -> None:
        """See `EngineContext.cancel`: nothing runs."""

    @staticmethod
    def _bind(inputs: MappedInputs) -> MappedInputs:
        for attributes, memory in inputs.bound:
            memory.bind(attributes)
        return inputs
