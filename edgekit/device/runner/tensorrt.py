"""TensorRT engines on Jetson Orin's GPU: a context and a stream for each lane, all memory taken at the start.

One code path for TensorRT 8.6 to 11; see `nvinfer.py`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.device.runner.contract import expected_shape
from edgekit.device.runner.cuda import Buffer, DeviceBuffer, Gpu, HostBuffer, open_gpu
from edgekit.device.runner.free import FreeLanes
from edgekit.device.runner.nvinfer import Nvinfer, open_nvinfer
from edgekit.errors import EngineError, InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What engines run on: the process's TensorRT and GPU."""

    nvinfer: Nvinfer
    gpu: Gpu


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    given: bool
    """Whether it is an input."""


def load(wanted: EnginePlan, path: Path, *, cache: Path | None = None) -> TensorrtRunner:  # noqa: ARG001  nothing to keep
    """Load an engine onto this board's GPU; see `open_runner`."""
    return open_runner(wanted, path)


def open_runner(
    wanted: EnginePlan,
    path: Path,
    *,
    machine: Machine | None = None,
    lanes: int = 1,
    mapped: bool = True,
) -> TensorrtRunner:
    """Load an engine.

    Args:
        wanted: its plan.
        path: the engine's file.
        machine: what to run it on; None: this process's own.
        lanes: how many calls may run at the same time.
        mapped: let the GPU read and write the host's memory in place, instead of copying.

    Raises:
        EngineError: no GPU, no TensorRT, or it refuses the engine.
        InputError: the engine does not take what its contract says.
    """
    machine = machine or Machine(gpu=open_gpu(), nvinfer=open_nvinfer())
    with machine.gpu.current(), contextlib.ExitStack() as held:
        loaded = _Loaded(machine, wanted, path)
        held.callback(loaded.close)
        kind = HostBuffer if mapped else DeviceBuffer
        made = []
        for _ in range(lanes):
            lane = Lane(machine, loaded, kind)
            held.callback(lane.close)
            made.append(lane)
        return TensorrtRunner(machine, loaded, made, held.pop_all())


class _Loaded:
    """An engine in memory."""

    def __init__(self, machine: Machine, wanted: EnginePlan, path: Path) -> None:
        nvinfer = machine.nvinfer
        nvinfer.cut()
        try:
            self._runtime = runtime = nvinfer.trt.Runtime(nvinfer.logger)
        except TypeError:  # "factory function returned nullptr": no usable library or GPU
            raise nvinfer.error("starting its runtime") from None
        if wanted.dla_core >= 0:
            runtime.DLA_core = wanted.dla_core
        self.engine = engine = nvinfer.check(runtime.deserialize_cuda_engine(path.read_bytes()), f"loading {path.name}")
        self.fixed = expected_shape(wanted.input)
        self.ports = _ports(nvinfer, engine)
        _check_input(self.ports, wanted.input, path.name)

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


def _ports(nvinfer: Nvinfer, engine: Any) -> tuple[Port, ...]:
    trt, found = nvinfer.trt, []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        found.append(
            Port(
                name=str(name),
                dtype=np.dtype(trt.nptype(engine.get_tensor_dtype(name))),
                shape=tuple(engine.get_tensor_shape(name)),
                given=engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
            )
        )
    return tuple(found)


def _check_input(ports: tuple[Port, ...], contract: ColourContract, name: str) -> None:
    """The engine must take the contract's one tensor; sizes that a profile leaves open are the contract's."""
    given = [port for port in ports if port.given]
    wanted = expected_shape(contract)
    if len(given) != 1:
        raise _mismatch(f"engine {name} has {len(given)} inputs, a pipeline gives it one")
    found = given[0]
    fits = len(found.shape) == len(wanted) and all(
        size in (-1, fixed) for size, fixed in zip(found.shape, wanted, strict=True)
    )
    if not fits or found.dtype != np.dtype(contract.dtype):
        raise _mismatch(
            f"engine {name} takes {found.dtype} {list(found.shape)}, its contract says {contract.dtype} {list(wanted)}"
        )


def _mismatch(message: str) -> InputError:
    return InputError(message, hint="build the release again")


class Lane:
    """One execution context with its stream and memory. One thread at a time uses it; the GPU's context is current."""

    def __init__(self, machine: Machine, loaded: _Loaded, kind: type[Buffer]) -> None:
        self._nvinfer = nvinfer = machine.nvinfer
        self._held = contextlib.ExitStack()
        with contextlib.ExitStack() as held:
            self._context = context = nvinfer.check(
                loaded.engine.create_execution_context(), "making an execution context"
            )
            self._stream = machine.gpu.cuda.Stream()
            self._done = machine.gpu.event()
            self._made: dict[str, Buffer] = {}
            for port in sorted(loaded.ports, key=lambda port: not port.given):  # inputs fix what outputs have
                if port.given:
                    nvinfer.check(context.set_input_shape(port.name, loaded.fixed), "fixing the input's size")
                shape = tuple(context.get_tensor_shape(port.name))
                if any(size < 0 for size in shape):
                    told = f"output {port.name} has a size that only its content tells: {list(shape)}"
                    raise EngineError(told, hint="end the model before the operator that makes it")
                buffer = kind(machine.gpu, shape, port.dtype)
                held.callback(buffer.free)
                nvinfer.check(context.set_tensor_address(port.name, buffer.address), f"placing {port.name}")
                if port.given:
                    self.input, self._input_name = buffer, port.name
                else:
                    self._made[port.name] = buffer
            self._held = held.pop_all()

    def infer(self, tensor: npt.NDArray[np.generic], address: int = 0) -> dict[str, npt.NDArray[Any]]:
        """Run once.

        Args:
            tensor: the input.
            address: where the GPU can read it in place; 0: it is copied to where the lane has its own.

        Returns:
            Outputs by name, valid until the next call on this lane.

        Raises:
            EngineError: TensorRT or CUDA says so.
        """
        nvinfer, context, stream = self._nvinfer, self._context, self._stream
        if not address:
            np.copyto(self.input.array, tensor)
            self.input.give(stream)
        nvinfer.check(context.set_tensor_address(self._input_name, address or self.input.address), "placing the input")
        nvinfer.check(context.execute_async_v3(stream.handle), "running the engine")
        for buffer in self._made.values():
            buffer.fetch(stream)
        self._done.record(stream)
        self._done.synchronize()
        return {name: buffer.array for name, buffer in self._made.items()}

    def close(self) -> None:
        """Free everything; the context first, which uses the rest."""
        self._context = None
        self._done = None
        self._stream = None
        self._held.close()


class TensorrtRunner:
    """A loaded engine. See `edgekit.device.runner.Runner`; as many threads as there are lanes may call."""

    def __init__(self, machine: Machine, loaded: _Loaded, lanes: list[Lane], held: contextlib.ExitStack) -> None:
        self._gpu = machine.gpu
        self._input = next(port for port in loaded.ports if port.given)
        self._shape, self._held = loaded.fixed, held
        self.memory_bytes = loaded.memory_bytes * len(lanes)
        self._lanes = FreeLanes(lanes, "the GPU did not answer", "dmesg | grep -i nvgpu")
        self._lent: dict[int, HostBuffer] = {}

    def host_array(self) -> npt.NDArray[Any]:
        """Memory for an input that the GPU reads in place: whoever fills it and gives it to `infer` copies nothing.

        Valid until `close`.
        """
        with self._gpu.current():
            buffer = HostBuffer(self._gpu, self._shape, self._input.dtype)
        self._lent[buffer.array.ctypes.data] = buffer
        return buffer.array

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
        """See `Runner.infer`.

        Raises:
            EngineError: TensorRT says so, the tensor is another, or no lane becomes free.
        """
        if tensor.shape != self._shape or tensor.dtype != self._input.dtype:
            told = f"the engine takes {self._input.dtype} {list(self._shape)}, it was given "
            raise EngineError(f"{told}{tensor.dtype} {list(tensor.shape)}", hint="report this")
        lent = self._lent.get(tensor.ctypes.data)
        with self._lanes.one() as lane, self._gpu.current():
            made = lane.infer(tensor, lent.address if lent is not None else 0)
            return {name: array.copy() for name, array in made.items()}

    def close(self) -> None:
        """See `Runner.close`. Waits for calls that are running."""
        self._lanes.end()
        with self._gpu.current():
            for buffer in self._lent.values():
                buffer.free()
            self._lent.clear()
            self._held.close()
