"""`pycuda.driver` on host memory: it watches that contexts are current, that nothing is used once it is freed, and what
is left over.

Names are those of pycuda 2026.1 (`tests/cases/pycuda-api.json`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np


class Driver:
    """The module."""

    class Error(Exception):
        """As pycuda names it."""

    class MemoryError(Error):
        """Likewise."""

    event_flags = SimpleNamespace(DEFAULT=0, BLOCKING_SYNC=1, DISABLE_TIMING=2)
    device_attribute = SimpleNamespace(MULTIPROCESSOR_COUNT=16)
    host_alloc_flags = SimpleNamespace(PORTABLE=1, DEVICEMAP=2, WRITECOMBINED=4)

    def __init__(self, limit_bytes: int = 1 << 40, kernels: dict[bytes, dict[str, Any]] | None = None) -> None:
        """Kernels are functions of a device address, by name, of each program that the GPU takes."""
        self.kernels = kernels or {}
        self._local = threading.local()
        self._guard = threading.Lock()
        self.limit_bytes = limit_bytes
        self.blocks: dict[int, np.ndarray] = {}
        self.allocations = 0
        self.launched = 0
        self.waited = 0
        self.streams: set[int] = set()
        self.knows: Callable[[int], bool] = lambda _: False
        """Whether a stream is one that others made with the driver itself."""
        self.ready = False

    def init(self, flags: int = 0) -> None:
        self.ready = True

    def Device(self, number: int) -> Any:
        assert self.ready, "cuInit comes first"
        return SimpleNamespace(
            retain_primary_context=lambda: Context(self),
            compute_capability=lambda: (8, 7),
            get_attribute=lambda attribute: {16: 8}[attribute],
        )

    def Stream(self, flags: int = 0) -> Any:
        self.require_current()
        return Stream(self)

    def Event(self, flags: int = 0) -> Any:
        self.require_current()
        assert flags == 3, "an event that a thread can sleep on, without timing"
        return Event(self)

    def pagelocked_empty(self, shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> Any:
        self.require_current()
        pinned = Pinned(self, shape, dtype, mapped=bool(mem_flags & 2))
        return pinned.view()

    def mem_alloc(self, bytes: int) -> Any:
        self.require_current()
        return Block(self, bytes)

    def module_from_buffer(self, buffer: bytes) -> Any:
        self.require_current()
        if buffer not in self.kernels:
            raise self.Error("cuModuleLoadDataEx failed: device kernel image is invalid")
        return SimpleNamespace(get_function=lambda name: Kernel(self, self.kernels[buffer][name]))

    def memcpy_htod_async(self, dest: Any, src: Any, stream: Any = None) -> None:
        self._copy(dest.array(), src, stream)

    def memcpy_dtoh_async(self, dest: Any, src: Any, stream: Any = None) -> None:
        self._copy(dest.reshape(-1).view(np.uint8), src.array()[: dest.nbytes], stream)

    def _copy(self, dest: Any, src: Any, stream: Any) -> None:
        self.require_current()
        self.require_stream(stream.handle)
        dest[: src.nbytes] = src.reshape(-1).view(np.uint8)

    def stack(self) -> list[Any]:
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        return self._local.stack

    def require_current(self) -> None:
        assert self.stack(), "no context is current on this thread"

    def require_stream(self, handle: int) -> None:
        assert handle in self.streams or self.knows(handle), "a stream that is none"

    def require_memory(self, address: int, size: int) -> None:
        with self._guard:
            inside = any(at <= address and address + size <= at + max(1, b.nbytes) for at, b in self.blocks.items())
        assert inside, "memory that the GPU cannot reach, or that was freed"

    def take(self, size: int) -> np.ndarray:
        with self._guard:
            if sum(block.nbytes for block in self.blocks.values()) + size > self.limit_bytes:
                raise self.MemoryError("cuMemAlloc failed: out of memory")
            block = np.zeros(max(1, size), np.uint8)
            self.blocks[block.ctypes.data] = block
            self.allocations += 1
            return block

    def give_back(self, address: int) -> None:
        with self._guard:
            assert address in self.blocks, "freed twice"
            del self.blocks[address]


class Kernel:
    """Function."""

    def __init__(self, driver: Driver, run: Any) -> None:
        self._driver, self._run = driver, run

    def __call__(self, address: np.uintp, *, block: Any, grid: Any, stream: Any) -> None:
        assert isinstance(address, np.number), "pycuda takes numpy's numbers, and no others"
        assert len(block) == 3 and block[0] * block[1] * block[2] <= 1024 and all(grid)
        self._driver.require_current()
        self._driver.require_stream(stream.handle)
        self._driver.require_memory(int(address), 1)
        self._run(int(address), block, grid)


class Context:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def push(self) -> None:
        self._driver.stack().append(self)

    def pop(self) -> None:
        self._driver.stack().pop()


class Stream:
    def __init__(self, driver: Driver) -> None:
        self._driver, self.handle = driver, id(self)
        driver.streams.add(self.handle)

    def __del__(self) -> None:
        self._driver.streams.discard(self.handle)


class Event:
    def __init__(self, driver: Driver) -> None:
        self._driver, self._recorded = driver, False

    def record(self, stream: Any) -> Any:
        self._driver.require_stream(stream.handle)
        self._recorded = True
        return self

    def synchronize(self) -> Any:
        assert self._recorded, "nothing to wait for"
        self._driver.waited += 1
        return self


class Pinned:
    """PagelockedHostAllocation: the array's base."""

    def __init__(self, driver: Driver, shape: Any, dtype: Any, *, mapped: bool) -> None:
        size = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        self._driver, self._mapped, self._shape, self._dtype = driver, mapped, shape, np.dtype(dtype)
        self._block = driver.take(size)
        self._size = size

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "version": 3,
            "shape": tuple(self._shape),
            "typestr": self._dtype.str,
            "data": (self._block.ctypes.data, False),
        }

    def view(self) -> Any:
        array = np.asarray(self)
        assert array.base is self
        return array

    def get_device_pointer(self) -> int:
        assert self._mapped, "not mapped"
        return int(self._block.ctypes.data)

    def free(self) -> None:
        self._driver.require_current()
        self._driver.give_back(self._block.ctypes.data)


class Block:
    """DeviceAllocation."""

    def __init__(self, driver: Driver, size: int) -> None:
        self._driver, self._block = driver, driver.take(size)

    def __int__(self) -> int:
        return int(self._block.ctypes.data)

    def array(self) -> Any:
        return self._block

    def free(self) -> None:
        self._driver.require_current()
        self._driver.give_back(int(self))
