"""What stands in line in front of a lane: one bounded queue for each stream, so that none blocks another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from edgekit.device.runtime.frames.stream import Entry, StreamGap
from edgekit.device.runtime.schedule.choice import Choose, Waiting, first_come
from edgekit.schema.recipe import DropPolicy
from edgekit.stage import Frame

CLOSING = "closing"
"""Why frames end that wait, or are on their way, when the pipeline stops."""
_MAX_EVENTS = 32
"""Events of one stream that wait; whoever brings more has to wait. Frames have a bound of their own."""


@dataclass(slots=True)
class _StreamQueue:
    """One stream's entries, each with the number of its arrival."""

    entries: deque[tuple[int, Entry]] = field(default_factory=deque)
    frames: int = 0

    @property
    def events(self) -> int:
        return len(self.entries) - self.frames

    def append(self, arrival: int, entry: Entry) -> None:
        last = self.entries[-1] if self.entries else None
        if isinstance(entry, StreamGap) and last is not None and isinstance(last[1], StreamGap):
            both = StreamGap(stream=entry.stream, missing=last[1].missing + entry.missing)
            self.entries[-1] = (last[0], both)
            return
        self.entries.append((arrival, entry))
        self.frames += isinstance(entry, Frame)

    def pop(self) -> Entry:
        _, entry = self.entries.popleft()
        self.frames -= isinstance(entry, Frame)
        return entry

    def drop_oldest_frame(self) -> None:
        position = next(place for place, (_, waiting) in enumerate(self.entries) if isinstance(waiting, Frame))
        del self.entries[position]
        self.frames -= 1


class LaneQueues:
    """Hands entries from other threads to a lane's. Each stream is put in by one thread alone."""

    def __init__(self, size: int, policy: DropPolicy, choose: Choose = first_come, live: Collection[str] = ()) -> None:
        """Make an empty line.

        Args:
            size: how many frames of one stream wait at most.
            policy: what happens to a frame that finds its queue full.
            choose: which stream is next.
            live: streams whose source waits for nobody: for them `block` means `drop_oldest`.
        """
        self._size = max(1, size)
        self._policy = policy
        self._choose = choose
        self._live = frozenset(live)
        self._streams: dict[str, _StreamQueue] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._arrivals = 0
        self._drops: dict[tuple[str, str], int] = {}
        self.on_taken: list[Callable[[], None]] = []
        """Called after an entry was taken, without any lock held: there is room again."""

    def drops(self) -> Mapping[tuple[str, str], int]:
        """Frames dropped so far, by stream and cause."""
        with self._changed:
            return dict(self._drops)

    def __len__(self) -> int:
        """Frames that wait."""
        with self._changed:
            return sum(queue.frames for queue in self._streams.values())

    def has_room(self, stream: str) -> bool:
        """Whether `put` takes one more entry of this stream, or drops a frame of it rather than wait."""
        queue = self._streams.get(stream)
        if queue is None or self._closed:
            return True
        return queue.events < _MAX_EVENTS and (self._policy_of(stream) != "block" or queue.frames < self._size)

    def wait_for_room(self, stream: str) -> bool:
        """Wait until there is; False once the line is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.has_room(stream))
            return not self._closed

    def put(self, entry: Entry) -> None:
        """Add an entry, or drop a frame as the policy says. Once closed, everything put in is dropped."""
        with self._changed:
            if self._closed:
                self._count(entry, CLOSING)
                return
            queue = self._streams.setdefault(entry.stream, _StreamQueue())
            policy = self._policy_of(entry.stream)
            if isinstance(entry, Frame) and queue.frames >= self._size and policy != "block":
                self._count(entry, policy)
                if policy == "drop_newest":
                    return
                queue.drop_oldest_frame()
            self._arrivals += 1
            queue.append(self._arrivals, entry)
            self._changed.notify_all()

    def take(self, ready: Callable[[str], bool]) -> Entry | None:
        """The next entry, of a stream that is `ready` to go on; waits for one. None once the line is closed."""
        with self._changed:
            while (entry := self._pop(ready)) is None and not self._closed:
                self._changed.wait()
        return self._announce(entry)

    def poll(self, ready: Callable[[str], bool]) -> Entry | None:
        """As `take`, but None where nothing is ready now."""
        with self._changed:
            entry = self._pop(ready)
        return self._announce(entry)

    def wake(self) -> None:
        """Let whoever waits look again: a stream may have become ready."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End both sides; frames that still wait are dropped and counted."""
        with self._changed:
            self._closed = True
            for queue in self._streams.values():
                for _, entry in queue.entries:
                    self._count(entry, CLOSING)
            self._streams.clear()
            self._changed.notify_all()

    def _policy_of(self, stream: str) -> DropPolicy:
        return "drop_oldest" if self._policy == "block" and stream in self._live else self._policy

    def _pop(self, ready: Callable[[str], bool]) -> Entry | None:
        """With the lock held."""
        waiting = [
            Waiting(stream, queue.entries[0][0])
            for stream, queue in self._streams.items()
            if queue.entries and ready(stream)
        ]
        if not waiting:
            return None
        self._changed.notify_all()
        return self._streams[self._choose(waiting)].pop()

    def _announce(self, entry: Entry | None) -> Entry | None:
        """Call `on_taken` for an entry that was taken. With no lock held."""
        if entry is not None:
            for call in self.on_taken:
                call()
        return entry

    def _count(self, entry: Entry, cause: str) -> None:
        if isinstance(entry, Frame):
            key = (entry.stream, cause)
            self._drops[key] = self._drops.get(key, 0) + 1
