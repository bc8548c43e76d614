"""RKNN engines on RK3588's NPU: one context a core, all on the same weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.device.runner.free import FreeLanes
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
    Input,
    Output,
    open_library,
)
from edgekit.errors import EngineError, InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract


def load(engine: EnginePlan, path: Path, *, cache: Path | None = None) -> RknnRunner:  # noqa: ARG001  nothing to keep
    """Load an engine onto every NPU core; see `open_runner`."""
    return open_runner(engine, path)


def open_runner(
    engine: EnginePlan,
    path: Path,
    *,
    libraries: Iterable[str] = LIBRARIES,
    cores: Iterable[int] = CORES,
    mapped: bool = False,
) -> RknnRunner:
    """Load an engine onto every NPU core.

    Args:
        engine: its plan.
        path: the `.rknn` file.
        libraries: where the board's runtime may be, the first that loads counts.
        cores: masks of the cores to use.
        mapped: let the NPU read and write memory that is shared with it, instead of having the runtime copy.

    Raises:
        InputError: no runtime, or the engine does not take what its contract says.
        EngineError: the runtime refuses the engine.
    """
    lanes: list[Lane] = []
    with contextlib.ExitStack() as held:  # frees duplicates before the context that they share weights with
        base = open_library(libraries).open(path)
        held.callback(base.close)
        _check_input(base, engine.input, path.name)
        for index, core in enumerate(cores):
            context = base.duplicate() if index else base
            held.callback(context.close)
            context.bind_core(core)
            lanes.append(MappedLane(context, held) if mapped else CopiedLane(context))
        return RknnRunner(lanes, held.pop_all())


def _check_input(context: Context, contract: ColourContract, name: str) -> None:
    """The engine must take one picture, uint8 and NHWC, of the contract's size: mean and scale are inside."""
    found = context.inputs()
    expected = (1, contract.height_px, contract.width_px, contract.channels)
    if len(found) != 1:
        raise _mismatch(f"engine {name} has {len(found)} inputs, a pipeline gives it one")
    if (contract.dtype, contract.layout) != ("uint8", "NHWC"):
        raise _mismatch(f"engine {name} takes uint8 NHWC, its contract says {contract.dtype} {contract.layout}")
    if found[0].shape != expected or found[0].format != FORMAT_NHWC:
        raise _mismatch(f"engine {name} takes {list(found[0].shape)}, its contract says {list(expected)}")


def _mismatch(message: str) -> InputError:
    return InputError(message, hint="build the release again")


class Lane(Protocol):
    """One core."""

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
        """Run once. The outputs are new arrays."""


class CopiedLane:
    """Has the runtime copy: it converts the picture, and fills the outputs in place."""

    def __init__(self, context: Context) -> None:
        self._context = context
        (self._given,) = context.inputs()
        self._made = context.outputs()
        self._inputs: Any = (Input * 1)(Input(index=0, type=TYPE_UINT8, format=FORMAT_NHWC))
        self._outputs: Any = (Output * len(self._made))()

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
        """See `Lane.infer`."""
        _check_tensor(tensor, self._given)
        self._inputs[0].buffer, self._inputs[0].bytes = tensor.ctypes.data, tensor.nbytes
        self._context.run(self._inputs)
        made = {one.name: np.empty(one.shape, np.float32) for one in self._made}
        for index, array in enumerate(made.values()):
            self._outputs[index] = Output(
                want_float=1, is_preallocated=1, index=index, buffer=array.ctypes.data, bytes=array.nbytes
            )
        self._context.fetch(self._outputs)
        return dict(made)


class MappedLane:
    """Writes the picture where the NPU reads it, and takes the outputs from where it wrote them."""

    def __init__(self, context: Context, held: contextlib.ExitStack) -> None:
        self._context = context
        (given,) = context.inputs()
        given.type, given.format, given.pass_through = TYPE_UINT8, FORMAT_NHWC, 0
        self._given = given
        self._input = context.bind_memory(given, max(given.strided_bytes, given.elements))
        held.callback(self._input.close)
        self._outputs: list[tuple[Attributes, BoundMemory]] = []
        for made in context.outputs():
            made.type, made.pass_through = TYPE_FLOAT32, 0
            memory = context.bind_memory(made, made.elements * 4)
            held.callback(memory.close)
            self._outputs.append((made, memory))

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
        """See `Lane.infer`. Rows lie as far apart as the NPU wants them."""
        _check_tensor(tensor, self._given)
        _, height, width, channels = self._given.shape
        stride = max(self._given.row_stride, width)
        rows = np.frombuffer(self._input.content, np.uint8, height * stride * channels)
        rows.reshape(height, stride, channels)[:, :width] = tensor[0]
        self._input.sync(SYNC_TO_DEVICE)
        self._context.run_bound()
        found: dict[str, npt.NDArray[np.generic]] = {}
        for made, memory in self._outputs:
            memory.sync(SYNC_FROM_DEVICE)
            found[made.name] = np.frombuffer(memory.content, np.float32, made.elements).reshape(made.shape).copy()
        return found


def _check_tensor(tensor: npt.NDArray[np.generic], given: Attributes) -> None:
    if tensor.dtype != np.uint8 or tensor.shape != given.shape or not tensor.flags.c_contiguous:
        raise EngineError(
            f"the NPU takes uint8 {list(given.shape)} without gaps, it was given {tensor.dtype} {list(tensor.shape)}",
            hint="report this",
        )


class RknnRunner:
    """An engine on all cores. See `edgekit.device.runner.Runner`; here as many threads as there are cores may call.

    A call takes a core that is free, or waits for one.
    """

    def __init__(self, lanes: list[Lane], held: contextlib.ExitStack) -> None:
        self._lanes = FreeLanes(lanes, "no NPU core became free", "see the kernel's log: dmesg | grep -i rknpu")
        self._held = held

    @property
    def cores(self) -> int:
        """How many calls run at the same time."""
        return self._lanes.count

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
        """See `Runner.infer`.

        Raises:
            EngineError: the runtime says so, or no core becomes free.
        """
        with self._lanes.one() as lane:
            return lane.infer(tensor)

    def close(self) -> None:
        """See `Runner.close`. Waits for calls that are running."""
        self._lanes.end()
        self._held.close()
