"""The queue in front of a lane: bounded, with a rule for when it is full."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from edgekit.device.runtime.frames.item import EndOfPass, Item
from edgekit.schema.recipe import DropPolicy


class LaneQueue:
    """Hands items from one thread to another. An `EndOfPass` is never dropped: it waits for room under every policy."""

    def __init__(self, size: int, policy: DropPolicy) -> None:
        self._size = max(1, size)
        self._policy = policy
        self._entries: deque[Item | EndOfPass] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._dropped = 0

    @property
    def drops(self) -> dict[str, int]:
        """Items dropped so far, by the policy that dropped them; empty for `block`."""
        return {} if self._policy == "block" else {self._policy: self._dropped}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entry: Item | EndOfPass) -> None:
        """Add an entry, or drop one as the policy says. Once closed, everything put in is forgotten."""
        with self._changed:
            if len(self._entries) >= self._size and not self._make_room(entry):
                return
            if not self._closed:
                self._entries.append(entry)
                self._changed.notify_all()

    def take(self) -> Iterator[Item | EndOfPass]:
        """Entries in order, waiting for each, until the queue is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._entries or self._closed)
                if self._closed:
                    return
                entry = self._entries.popleft()
                self._changed.notify_all()
            yield entry
            del entry  # else this frame keeps a finished item, and its picture, alive while it waits

    def close(self) -> None:
        """End both sides; what still waits is forgotten."""
        with self._changed:
            self._closed = True
            self._entries.clear()
            self._changed.notify_all()

    def _make_room(self, entry: Item | EndOfPass) -> bool:
        """Whether `entry` may now be added."""
        droppable = isinstance(entry, Item)
        if droppable and self._policy == "drop_newest":
            self._dropped += 1
            return False
        if droppable and self._policy == "drop_oldest" and self._drop_oldest():
            return True
        self._changed.wait_for(lambda: len(self._entries) < self._size or self._closed)
        return True

    def _drop_oldest(self) -> bool:
        for position, waiting in enumerate(self._entries):
            if isinstance(waiting, Item):
                del self._entries[position]
                self._dropped += 1
                return True
        return False
