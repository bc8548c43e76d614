"""Counts the device memory that TensorRT takes while it builds, and bounds it: a Jetson has no other memory."""

from __future__ import annotations

import threading
from typing import Any

from edgekit.device.runner.cuda import Gpu


class MemoryAccount:
    """Counts an allocator's blocks. Make one for each build; TensorRT calls what `allocator` gives."""

    def __init__(self, gpu: Gpu, *, limit_bytes: int = 0) -> None:
        """Start counting.

        Args:
            gpu: whose memory it is.
            limit_bytes: what may be held at a time; 0 is no bound. Beyond it TensorRT gets nothing and tries less.
        """
        self._gpu = gpu
        self._limit_bytes = limit_bytes
        self._held: dict[int, tuple[Any, int]] = {}
        self._guard = threading.Lock()
        self._allocator: Any = None
        self.held_bytes = 0
        self.peak_bytes = 0

    def take(self, size: int) -> int:
        """Allocate; gives the address, 0 where there is no memory: TensorRT takes None for an error of the program."""
        with self._guard:
            if size <= 0 or (self._limit_bytes and self.held_bytes + size > self._limit_bytes):
                return 0
            cuda = self._gpu.cuda
            try:
                with self._gpu.current():  # TensorRT's threads have none that pycuda knows
                    block = cuda.mem_alloc(size)
            except cuda.MemoryError:
                return 0
            address = int(block)
            self._held[address] = (block, size)
            self.held_bytes += size
            self.peak_bytes = max(self.peak_bytes, self.held_bytes)
            return address

    def give_back(self, address: int) -> bool:
        """Free a block; False for one that was not allocated here."""
        with self._guard:
            block, size = self._held.pop(address, (None, 0))
            if block is None:
                return False
            self.held_bytes -= size
            with self._gpu.current():
                block.free()
            return True

    def allocator(self, trt: Any) -> Any:
        """TensorRT's allocator, counted here. Every method is overridden that some version calls.

        TensorRT only keeps a pointer: hold on to the account until the build has ended, it holds on to this.
        """
        account = self

        class Counting(trt.IGpuAllocator):  # type: ignore[misc]  # the module has no types
            """Called from TensorRT's own threads."""

            def __init__(self) -> None:
                trt.IGpuAllocator.__init__(self)

            def allocate(self, size: int, alignment: int, flags: int) -> int:  # noqa: ARG002  cuMemAlloc aligns to 256
                return account.take(size)

            def reallocate(self, address: int, alignment: int, new_size: int) -> int:  # noqa: ARG002
                return 0  # "cannot be resized": TensorRT then allocates and copies

            def deallocate(self, memory: int) -> bool:
                return account.give_back(memory)

            def free(self, memory: int) -> None:
                account.give_back(memory)

            def allocate_async(self, size: int, alignment: int, flags: int, stream: int) -> int:  # noqa: ARG002
                return account.take(size)

            def deallocate_async(self, memory: int, stream: int) -> bool:  # noqa: ARG002
                return account.give_back(memory)

        self._allocator = Counting()
        return self._allocator
