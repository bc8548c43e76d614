"""Memory for pictures, taken once and used again: within a budget, and given back after a burst."""

from __future__ import annotations

import mmap
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgekit.errors import PicturesFull
from edgekit.imaging.copying import copy_picture, lay_out, picture_bytes
from edgekit.imaging.image import Image, ImageSpec, Pixels

IDLE_S = 10.0
"""Memory that nobody has used for so long goes back to the system."""
_MIB = 1 << 20


@dataclass(slots=True, eq=False)
class _Buffer:
    """Memory of one picture."""

    memory: mmap.mmap
    """Its own mapping, so that its end is the end of its pages: a heap would keep them."""
    bytes: int
    generation: int = 0
    """How often it was lent."""
    owner: str = ""
    """For whom, the last time."""
    since_s: float = 0.0
    """Since when it is lent, or lies idle."""
    watch: object = None


@dataclass(slots=True)
class PoolFigures:
    """What a pool has done since the start."""

    copies: int = 0
    refused: int = 0
    """Pictures that found no room."""


class PicturePool:
    """Lends memory for pictures. Any thread may ask.

    A buffer comes back when the last array that lies in it is gone, wherever that is, and not before: a picture that
    somebody still looks at is never written over.
    """

    def __init__(self, budget_bytes: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Take no memory yet.

        Args:
            budget_bytes: how much all buffers may take together; None: others bound how many pictures there are.
            clock: monotonic seconds.
        """
        self.budget_bytes = budget_bytes
        self.figures = PoolFigures()
        self._clock = clock
        self._lock = threading.Lock()
        self._free: dict[int, list[_Buffer]] = {}
        """By size, those used last at the end."""
        self._lent: set[_Buffer] = set()
        self._bytes = 0
        self._returned: deque[tuple[_Buffer, int]] = deque()
        """Buffers that nobody looks at any more, with their generation. Written without the lock: an array may end
        while this very thread holds it."""

    @property
    def bytes(self) -> int:
        """Memory of all buffers, lent and idle."""
        with self._lock:
            self._take_back()
            return self._bytes

    @property
    def lent(self) -> int:
        """How many pictures somebody holds."""
        with self._lock:
            self._take_back()
            return len(self._lent)

    def picture(self, spec: ImageSpec, owner: str) -> Image:
        """A picture to draw into: its samples are whatever stood there before.

        Raises:
            PicturesFull: there is no room in the budget.
        """
        return lay_out(spec, self._lend(picture_bytes(spec), owner))

    def copy(self, image: Image, owner: str) -> Image:
        """The same picture, read-only, in the pool's memory.

        Raises:
            PicturesFull: there is no room in the budget.
        """
        copied = copy_picture(image, self._lend(picture_bytes(image.spec), owner))
        self.figures.copies += 1
        return copied

    def trim(self) -> None:
        """Give back what was not used for `IDLE_S`."""
        with self._lock:
            self._take_back()
            now_s = self._clock()
            for size, free in list(self._free.items()):
                kept = [buffer for buffer in free if now_s - buffer.since_s < IDLE_S]
                self._bytes -= sum(buffer.bytes for buffer in free) - sum(buffer.bytes for buffer in kept)
                self._free[size] = kept
                if not kept:
                    del self._free[size]

    def drop_idle(self) -> None:
        """Give back what nobody uses now."""
        with self._lock:
            self._take_back()
            while self._free:
                self._drop_idlest()

    def _lend(self, size: int, owner: str) -> Pixels:
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        with self._lock:
            self._take_back()
            buffer = self._take_idle(size) or self._make(size)
            buffer.generation += 1
            buffer.owner, buffer.since_s = owner, self._clock()
            self._lent.add(buffer)
            # Every view of this array keeps it, so its end is the end of the last of them.
            array: Pixels = np.frombuffer(buffer.memory, np.uint8)
            buffer.watch = weakref.ref(array, partial(self._note_end, buffer, buffer.generation))
        return array

    def _note_end(self, buffer: _Buffer, generation: int, _array: object) -> None:
        self._returned.append((buffer, generation))

    def _make(self, size: int) -> _Buffer:
        budget = self.budget_bytes
        while budget is not None and self._bytes + size > budget and self._free:
            self._drop_idlest()
        if budget is not None and self._bytes + size > budget:
            self.figures.refused += 1
            raise PicturesFull(
                f"no room for a picture of {size / _MIB:.1f} MiB: of {budget / _MIB:.1f} MiB for pictures that are "
                f"kept {self._bytes / _MIB:.1f} are taken, {self._owners()}",
                hint="release kept pictures earlier, or raise limits.pictures_max in recipe.toml",
            )
        memory = mmap.mmap(-1, size)  # before it counts: it may fail
        self._bytes += size
        return _Buffer(memory=memory, bytes=size)

    def _owners(self) -> str:
        held: dict[str, int] = {}
        for buffer in self._lent:
            held[buffer.owner] = held.get(buffer.owner, 0) + 1
        return ", ".join(f"{count} by {owner}" for owner, count in sorted(held.items())) or "none"

    def _take_idle(self, size: int, place: int = -1) -> _Buffer | None:
        free = self._free.get(size)
        if not free:
            return None
        buffer = free.pop(place)
        if not free:
            del self._free[size]
        return buffer

    def _drop_idlest(self) -> None:
        size = min(self._free, key=lambda size: self._free[size][0].since_s)
        self._bytes -= size
        self._take_idle(size, 0)

    def _take_back(self) -> None:
        """With the lock held."""
        while self._returned:
            buffer, generation = self._returned.popleft()
            assert buffer.generation == generation and buffer in self._lent, "lent once, given back once"
            self._lent.remove(buffer)
            buffer.watch, buffer.since_s = None, self._clock()
            self._free.setdefault(buffer.bytes, []).append(buffer)
