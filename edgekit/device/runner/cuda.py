"""The GPU through pycuda: its primary context on whatever thread, and memory that host and GPU both reach.

Lanes are threads of their own, so that the context is pushed and popped around every use; `pycuda.autoinit` would make
one of its own that TensorRT does not know. Source: CUDA driver API, primary contexts; CUDA for Tegra application note
on pinned memory, which is cached by Orin's CPUs and read by its GPU where it lies.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit.device.runner.cuda_probe import probe_cuda
from edgekit.errors import EngineError
from edgekit.executor.local import LocalExecutor


class Gpu:
    """The first GPU: on these boards the only one."""

    def __init__(self, cuda: Any) -> None:
        """Take the primary context.

        Args:
            cuda: `pycuda.driver`.
        """
        self.cuda = cuda
        cuda.init()
        device = cuda.Device(0)
        self._primary = device.retain_primary_context()
        self.capability = "{}.{}".format(*device.compute_capability())
        """`8.7`."""
        self.sm_count = int(device.get_attribute(cuda.device_attribute.MULTIPROCESSOR_COUNT))
        """Multiprocessors that are on, in the power mode of this moment."""

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the context this thread's for as long as the block runs."""
        self._primary.push()
        try:
            yield
        finally:
            self._primary.pop()

    def event(self) -> Any:
        """An event that a thread sleeps on instead of spinning. The context must be current."""
        flags = self.cuda.event_flags
        return self.cuda.Event(flags.BLOCKING_SYNC | flags.DISABLE_TIMING)


@lru_cache(maxsize=1)
def open_gpu() -> Gpu:
    """The process's GPU; asked for in a child first, as some libraries crash where there is none.

    Raises:
        EngineError: there is none, or no pycuda.
    """
    probe_cuda(LocalExecutor(), sys.executable)
    try:
        return Gpu(importlib.import_module("pycuda.driver"))
    except ImportError as error:
        raise EngineError(
            "there is no pycuda here", hint="build the release again", details=str(error), cause="missing_library"
        ) from None


class GpuStream(Protocol):
    """What work on the GPU is put into, in order. The context must be current for every call."""

    @property
    def handle(self) -> int:
        """As TensorRT takes it."""

    def upload(self, block: Any, array: npt.NDArray[Any]) -> None:
        """Copy pinned memory to the GPU's, a block of pycuda's, in the stream."""

    def download(self, array: npt.NDArray[Any], block: Any) -> None:
        """Copy the GPU's memory to pinned memory, in the stream."""

    def mark(self) -> None:
        """Note all work that is in the stream: `wait` waits for that."""

    def wait(self) -> None:
        """Sleep until what was marked is done. Raises EngineError, or pycuda's own, where the GPU failed."""

    def close(self) -> None:
        """Give it back; what is in it still ends. May be called twice."""


class HostBuffer:
    """Pinned memory of the host that the GPU reads and writes where it lies: nothing is copied on Orin."""

    def __init__(self, gpu: Gpu, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        """Allocate. The context must be current."""
        flags = gpu.cuda.host_alloc_flags
        self.array: npt.NDArray[Any] = gpu.cuda.pagelocked_empty(shape, dtype, mem_flags=flags.DEVICEMAP)
        self._pinned: Any = self.array.base
        self.address = int(self._pinned.get_device_pointer())

    def fetch(self, stream: GpuStream) -> None:
        """The GPU wrote it in place."""

    def give(self, stream: GpuStream) -> None:
        """The GPU reads it in place."""

    def free(self) -> None:
        """Free it; nobody may use its array any more."""
        self.array = np.empty(0)
        self._pinned.free()


class DeviceBuffer:
    """Memory of the GPU with a pinned twin on the host, copied in the stream: for tensors that are read many times."""

    def __init__(self, gpu: Gpu, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        """Allocate. The context must be current."""
        self.array: npt.NDArray[Any] = gpu.cuda.pagelocked_empty(shape, dtype)
        self._pinned: Any = self.array.base
        self._block = gpu.cuda.mem_alloc(max(1, self.array.nbytes))
        self.address = int(self._block)

    def fetch(self, stream: GpuStream) -> None:
        """Copy to the host, behind what the stream does before."""
        stream.download(self.array, self._block)

    def give(self, stream: GpuStream) -> None:
        """Copy to the GPU, before what the stream does next."""
        stream.upload(self._block, self.array)

    def free(self) -> None:
        """Free both."""
        self._block.free()
        self.array = np.empty(0)
        self._pinned.free()


Buffer = HostBuffer | DeviceBuffer
