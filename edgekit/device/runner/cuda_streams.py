"""Streams of the GPU, each with the event that a thread sleeps on: pycuda's, or the driver's own with a priority.

pycuda makes no stream with a priority, and takes no stream that others made: such a one is used through the driver
alone. Source: CUDA driver API, stream, event and memory management; `CUstream` and `CUevent` are pointers.
"""

from __future__ import annotations

import ctypes as c
import logging
from collections.abc import Mapping
from math import ceil
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from edgekit.device.runner.cuda import Gpu, GpuStream
from edgekit.errors import EngineError

_LOG = logging.getLogger("edgekit.cuda")
LIBRARY = "libcuda.so.1"
HIGHEST = 100
"""Of a recipe's priorities; 0 is the lowest."""
_STREAM_DEFAULT = 0
_BLOCKING_SYNC, _DISABLE_TIMING = 1, 2
_CALLS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "cuCtxGetStreamPriorityRange": (c.POINTER(c.c_int), c.POINTER(c.c_int)),
        "cuStreamCreateWithPriority": (c.POINTER(c.c_void_p), c.c_uint, c.c_int),
        "cuStreamDestroy_v2": (c.c_void_p,),
        "cuEventCreate": (c.POINTER(c.c_void_p), c.c_uint),
        "cuEventRecord": (c.c_void_p, c.c_void_p),
        "cuEventSynchronize": (c.c_void_p,),
        "cuEventDestroy_v2": (c.c_void_p,),
        "cuMemcpyHtoDAsync_v2": (c.c_uint64, c.c_void_p, c.c_size_t, c.c_void_p),
        "cuMemcpyDtoHAsync_v2": (c.c_void_p, c.c_uint64, c.c_size_t, c.c_void_p),
    }
)


def open_stream(gpu: Gpu, priority: int, library: str = LIBRARY) -> GpuStream:
    """A stream of a model's priority; where the driver has none, an ordinary one, as the log says.

    Args:
        gpu: whose context is current.
        priority: the model's, 0 to `HIGHEST`: 0 is the stream of those that ask for none.
        library: the driver's.
    """
    if not priority:
        return OrdinaryStream(gpu)
    try:
        return PriorityStream(_Driver(library), priority)
    except (OSError, AttributeError) as error:
        reason = str(error)
    except EngineError as error:
        reason = error.message
    _LOG.warning("a model's priority %d does not hold on the GPU: %s", priority, reason)
    return OrdinaryStream(gpu)


class OrdinaryStream:
    """pycuda's. See `GpuStream`."""

    def __init__(self, gpu: Gpu) -> None:
        self._cuda = gpu.cuda
        self._stream, self._done = gpu.cuda.Stream(), gpu.event()

    @property
    def own(self) -> Any:
        """pycuda's stream itself: its kernels are launched in no other."""
        return self._stream

    @property
    def handle(self) -> int:
        """See `GpuStream.handle`."""
        return int(self._stream.handle)

    def upload(self, block: Any, array: npt.NDArray[Any]) -> None:
        """See `GpuStream.upload`."""
        self._cuda.memcpy_htod_async(block, array, self._stream)

    def download(self, array: npt.NDArray[Any], block: Any) -> None:
        """See `GpuStream.download`."""
        self._cuda.memcpy_dtoh_async(array, block, self._stream)

    def mark(self) -> None:
        """See `GpuStream.mark`."""
        self._done.record(self._stream)

    def wait(self) -> None:
        """See `GpuStream.wait`."""
        self._done.synchronize()

    def close(self) -> None:
        """See `GpuStream.close`."""
        self._done = self._stream = None


class _Driver:
    """The calls that a stream takes."""

    def __init__(self, library: str) -> None:
        """Load it: this process has it open through pycuda. Raises OSError, AttributeError."""
        loaded = c.CDLL(library)
        self._calls = {name: getattr(loaded, name) for name in _CALLS}
        for name, arguments in _CALLS.items():
            self._calls[name].argtypes, self._calls[name].restype = arguments, c.c_int

    def call(self, name: str, *arguments: Any) -> None:
        """Raises EngineError with the driver's number."""
        code = self._calls[name](*arguments)
        if code:
            raise EngineError(
                f"{name} of the GPU's driver fails with {code}",
                hint="see the kernel's log: dmesg | grep -i nvgpu",
                cause="accelerator",
            )


class PriorityStream:
    """The driver's own, with a priority. See `GpuStream`."""

    def __init__(self, driver: _Driver, priority: int) -> None:
        """Make stream and event. Raises EngineError where the driver has no priorities, or refuses."""
        self._driver = driver
        self._stream, self._done = c.c_void_p(), c.c_void_p()
        least, greatest = c.c_int(), c.c_int()
        driver.call("cuCtxGetStreamPriorityRange", c.byref(least), c.byref(greatest))
        if greatest.value >= least.value:
            raise EngineError("this GPU has no priorities", hint="leave the models' priority out")
        self.level = level_of(priority, least.value, greatest.value)
        driver.call("cuStreamCreateWithPriority", c.byref(self._stream), _STREAM_DEFAULT, self.level)
        try:
            driver.call("cuEventCreate", c.byref(self._done), _BLOCKING_SYNC | _DISABLE_TIMING)
        except EngineError:
            self.close()
            raise

    @property
    def handle(self) -> int:
        """See `GpuStream.handle`."""
        return self._stream.value or 0

    def upload(self, block: Any, array: npt.NDArray[Any]) -> None:
        """See `GpuStream.upload`."""
        self._driver.call("cuMemcpyHtoDAsync_v2", int(block), array.ctypes.data, array.nbytes, self._stream)

    def download(self, array: npt.NDArray[Any], block: Any) -> None:
        """See `GpuStream.download`."""
        self._driver.call("cuMemcpyDtoHAsync_v2", array.ctypes.data, int(block), array.nbytes, self._stream)

    def mark(self) -> None:
        """See `GpuStream.mark`."""
        self._driver.call("cuEventRecord", self._done, self._stream)

    def wait(self) -> None:
        """See `GpuStream.wait`. Other threads of Python run meanwhile."""
        self._driver.call("cuEventSynchronize", self._done)

    def close(self) -> None:
        """See `GpuStream.close`."""
        done, self._done = self._done, c.c_void_p()
        stream, self._stream = self._stream, c.c_void_p()
        try:
            if done.value:
                self._driver.call("cuEventDestroy_v2", done)
        finally:
            if stream.value:
                self._driver.call("cuStreamDestroy_v2", stream)


def level_of(priority: int, least: int, greatest: int) -> int:
    """The device's level for a recipe's priority: each from 1 on is above the ordinary streams, equal parts of them to
    each of the device's levels.

    Args:
        priority: 0 to `HIGHEST`.
        least: the device's number for the lowest, usually 0.
        greatest: for the highest: a smaller number.
    """
    return least - ceil(min(priority, HIGHEST) * (least - greatest) / HIGHEST)
