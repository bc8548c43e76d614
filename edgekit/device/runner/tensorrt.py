"""TensorRT engines on Jetson Orin's GPU: a context and a stream for each slot, all memory taken at the start.

One code path for TensorRT 8.6 to 11; see `nvinfer.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.device.runner.cuda import Buffer, DeviceBuffer, Gpu, GpuStream, HostBuffer, open_gpu
from edgekit.device.runner.cuda_streams import LIBRARY, open_stream
from edgekit.device.runner.loaded import LoadedEngine, Runner, no_filler, spare_sets
from edgekit.device.runner.nvinfer import Nvinfer, open_nvinfer
from edgekit.device.runner.tensors import (
    InputBuffers,
    Tensor,
    Tensors,
    TensorSpec,
    buffers_behind,
    fixed_inputs,
    picture_name,
)
from edgekit.errors import EngineError
from edgekit.schema.plan import EnginePlan

if TYPE_CHECKING:
    from edgekit.imaging.conversion import TensorFiller
    from edgekit.imaging.planning import Conversion

_HINT = "build the release again"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSystem:
    """What engines run on: the process's TensorRT and GPU."""

    nvinfer: Nvinfer
    gpu: Gpu
    kernel: bytes = b""
    """The cubin that converts frames, into inputs that are mapped; empty: the CPU does."""
    driver: str = LIBRARY
    """The GPU's driver, which makes streams with priorities."""


def load(plan: EnginePlan, release: Path, *, cache: Path | None = None) -> Runner:  # noqa: ARG001  nothing to keep
    """Load an engine onto this board's GPU; see `open_runner`."""
    kernel = (release / plan.picture_kernel).read_bytes() if plan.picture_kernel else b""
    system = GpuSystem(gpu=open_gpu(), nvinfer=open_nvinfer(), kernel=kernel)
    return open_runner(plan, release / plan.path, system=system)


def open_runner(
    plan: EnginePlan,
    path: Path,
    *,
    system: GpuSystem | None = None,
    slots: int = 1,
    mapped: bool = True,
) -> Runner:
    """Load an engine.

    Args:
        plan: its plan.
        path: the engine's file.
        system: what to run it on; None: this process's own.
        slots: how many inferences may run at the same time.
        mapped: let the GPU read and write the host's memory in place, instead of copying.

    Raises:
        EngineError: no GPU, no TensorRT, or it refuses the engine.
        InputError: the engine does not take what its contract says.
    """
    system = system or GpuSystem(gpu=open_gpu(), nvinfer=open_nvinfer())
    gpu, kind = system.gpu, HostBuffer if mapped else DeviceBuffer
    with gpu.current(), contextlib.ExitStack() as held:
        loaded = _DeserializedEngine(system, plan, path)
        held.callback(loaded.close)
        sets = [_input_buffers(gpu, loaded.inputs, kind, held) for _ in range(slots + spare_sets(slots))]
        contexts = []
        for own in sets[:slots]:
            stream = open_stream(gpu, plan.priority, system.driver)
            held.callback(stream.close)
            contexts.append(GpuContext(system, loaded, own, kind, stream))
            held.callback(contexts[-1].close)
        filler = _filler(system) if system.kernel and mapped else no_filler
        resources = held.pop_all()
    return Runner(
        LoadedEngine(
            inputs=loaded.inputs,
            outputs=contexts[0].specs,
            picture=picture_name(loaded.inputs, plan, path.name, _HINT),
            contexts=tuple(contexts),
            spare=tuple(sets[slots:]),
            close=lambda: _free(gpu, resources),
            hint="see the kernel's log: dmesg | grep -i nvgpu",
            memory_bytes=loaded.memory_bytes * slots,
            filler=filler,
        )
    )


def _filler(system: GpuSystem) -> Callable[[Conversion], TensorFiller | None]:
    """The GPU's own executor of conversions. The context must be current."""
    from edgekit.device.runner.cuda_picture import GpuPictures  # noqa: PLC0415  builder devices have no OpenCV

    return GpuPictures(system.gpu, system.kernel, _reached).filler


def _free(gpu: Gpu, resources: contextlib.ExitStack) -> None:
    with gpu.current():
        resources.close()


class _DeserializedEngine:
    """An engine in memory."""

    def __init__(self, system: GpuSystem, plan: EnginePlan, path: Path) -> None:
        nvinfer = system.nvinfer
        nvinfer.cut()
        try:
            self._runtime = runtime = nvinfer.trt.Runtime(nvinfer.logger)
        except TypeError:  # "factory function returned nullptr": no usable library or GPU
            raise nvinfer.error("starting its runtime") from None
        if plan.dla_core >= 0:
            runtime.DLA_core = plan.dla_core
        doing = f"loading {path.name}"
        self.engine = engine = nvinfer.check(runtime.deserialize_cuda_engine(path.read_bytes()), doing)
        modes = nvinfer.trt.TensorIOMode
        self.inputs = fixed_inputs(_specs(nvinfer, engine, modes.INPUT), plan, path.name, _HINT)
        self.outputs = _specs(nvinfer, engine, modes.OUTPUT)

    @property
    def memory_bytes(self) -> int:
        """What one execution context takes on the device for activations."""
        engine = self.engine
        if hasattr(engine, "device_memory_size_v2"):
            return int(engine.device_memory_size_v2)
        return int(engine.device_memory_size) if hasattr(engine, "device_memory_size") else 0

    def close(self) -> None:
        """The engine before the runtime that made it."""
        self.engine = None
        self._runtime = None


def _specs(nvinfer: Nvinfer, engine: Any, mode: Any) -> tuple[TensorSpec, ...]:
    """The engine's tensors of one mode; TensorRT's open size is -1, as ours."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return tuple(
        TensorSpec(
            name=str(name),
            shape=tuple(engine.get_tensor_shape(name)),
            dtype=np.dtype(nvinfer.trt.nptype(engine.get_tensor_dtype(name))),
        )
        for name in names
        if engine.get_tensor_mode(name) == mode
    )


class GpuInputs(InputBuffers):
    """Input buffers that the GPU reads where they lie, or that are copied to it in the stream."""

    def __init__(self, buffers: dict[str, Buffer]) -> None:
        super().__init__({name: buffer.array for name, buffer in buffers.items()})
        self.buffers = buffers

    def free(self) -> None:
        """Nobody may use its arrays any more."""
        self.arrays = {}
        for buffer in self.buffers.values():
            buffer.free()


def _reached(tensor: Tensor) -> int | None:
    """Where the GPU finds an array that was lent, or a view of one; None for memory that it does not reach."""
    found, at = buffers_behind(tensor), int(tensor.__array_interface__["data"][0])
    for buffer in found.buffers.values() if isinstance(found, GpuInputs) else ():
        offset = at - int(buffer.array.__array_interface__["data"][0])
        if isinstance(buffer, HostBuffer) and 0 <= offset < buffer.array.nbytes:
            return buffer.address + offset
    return None


def _input_buffers(gpu: Gpu, specs: Iterable[TensorSpec], kind: type[Buffer], held: contextlib.ExitStack) -> GpuInputs:
    with contextlib.ExitStack() as taken:
        buffers: dict[str, Buffer] = {}
        for spec in specs:
            buffers[spec.name] = buffer = kind(gpu, spec.shape, spec.dtype)
            taken.callback(buffer.free)
        taken.pop_all()
    made = GpuInputs(buffers)
    held.callback(made.free)
    return made


class GpuContext:
    """One execution context with its stream and memory. See `EngineContext`; it works by itself from `start` on."""

    def __init__(
        self,
        system: GpuSystem,
        loaded: _DeserializedEngine,
        inputs: GpuInputs,
        kind: type[Buffer],
        stream: GpuStream,
    ) -> None:
        """Fix all sizes, and take memory for the outputs. The GPU's context must be current."""
        self.inputs: InputBuffers = inputs
        self._nvinfer = nvinfer = system.nvinfer
        self._gpu = gpu = system.gpu
        self._stream = stream
        self._held = contextlib.ExitStack()
        self._made: dict[str, Buffer] = {}
        with contextlib.ExitStack() as held:
            doing = "making an execution context"
            self._context = context = nvinfer.check(loaded.engine.create_execution_context(), doing)
            for spec in loaded.inputs:  # they fix what outputs have
                nvinfer.check(context.set_input_shape(spec.name, spec.shape), "fixing the input's size")
            self.specs = tuple(self._fixed(spec) for spec in loaded.outputs)
            for spec in self.specs:
                buffer = self._made[spec.name] = kind(gpu, spec.shape, spec.dtype)
                held.callback(buffer.free)
                nvinfer.check(context.set_tensor_address(spec.name, buffer.address), f"placing {spec.name}")
            self._held = held.pop_all()

    def accepts(self, inputs: InputBuffers) -> bool:
        """See `EngineContext.accepts`: memory that the GPU knows."""
        return isinstance(inputs, GpuInputs)

    def start(self, inputs: InputBuffers) -> None:
        """See `EngineContext.start`."""
        assert isinstance(inputs, GpuInputs), "what it accepts"
        nvinfer, context, stream = self._nvinfer, self._context, self._stream
        with self._gpu.current():
            for name, buffer in inputs.buffers.items():
                buffer.give(stream)
                nvinfer.check(context.set_tensor_address(name, buffer.address), f"placing {name}")
            try:
                nvinfer.check(context.execute_async_v3(stream.handle), "running the engine")
                for buffer in self._made.values():
                    buffer.fetch(stream)
            finally:  # also where it fails: copies of inputs may be under way
                stream.mark()

    def finish(self) -> Tensors:
        """See `EngineContext.finish`."""
        self.cancel()
        return {name: buffer.array for name, buffer in self._made.items()}

    def cancel(self) -> None:
        """See `EngineContext.cancel`: sleeps until the stream is through."""
        with self._gpu.current():
            self._stream.wait()

    def close(self) -> None:
        """Free everything; the context first, which uses the rest. The GPU's context must be current."""
        self._context = None
        self._made.clear()
        self._held.close()

    def _fixed(self, spec: TensorSpec) -> TensorSpec:
        """An output with the sizes that the inputs give it."""
        shape = tuple(self._context.get_tensor_shape(spec.name))
        if any(size < 0 for size in shape):
            message = f"output {spec.name} has a size that only its content tells: {list(shape)}"
            raise EngineError(message, hint="end the model before the operator that makes it")
        return TensorSpec(name=spec.name, shape=shape, dtype=spec.dtype)
