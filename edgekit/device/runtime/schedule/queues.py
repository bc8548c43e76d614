"""What stands in line in front of a lane: one bounded queue for each stream, so that none blocks another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from edgekit.device.runtime.frames.leases import let_go
from edgekit.device.runtime.frames.stream import Entry, StreamGap
from edgekit.device.runtime.schedule.choice import Choose, Waiting, first_come
from edgekit.device.runtime.wakeup import WakeUp
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
    room: WakeUp = field(default_factory=WakeUp)
    """For the one thread that puts in."""
    sought: bool = False
    """Whether that thread waits for room."""

    @property
    def events(self) -> int:
        return len(self.entries) - self.frames

    def append(self, arrival: int, entry: Entry) -> int:
        """Put an entry in line; how many entries stand there more: none where two gaps have become one."""
        last = self.entries[-1] if self.entries else None
        if isinstance(entry, StreamGap) and last is not None and isinstance(last[1], StreamGap):
            both = StreamGap(stream=entry.stream, missing=last[1].missing + entry.missing)
            self.entries[-1] = (last[0], both)
            return 0
        self.entries.append((arrival, entry))
        self.frames += isinstance(entry, Frame)
        return 1

    def pop(self) -> Entry:
        _, entry = self.entries.popleft()
        self.frames -= isinstance(entry, Frame)
        return entry

    def take_oldest_frame(self) -> Entry:
        """Of at least one."""
        position = next(place for place, (_, waiting) in enumerate(self.entries) if isinstance(waiting, Frame))
        _, frame = self.entries[position]
        del self.entries[position]
        self.frames -= 1
        return frame


class LaneQueues:
    """Hands entries from other threads to a lane's. Each stream is put in by one thread alone."""

    def __init__(
        self,
        size: int,
        policy: DropPolicy,
        choose: Choose = first_come,
        live: Collection[str] = (),
        lane: str = "",
    ) -> None:
        """Make an empty line.

        Args:
            size: how many frames of one stream wait at most.
            policy: what happens to a frame that finds its queue full.
            choose: which stream is next.
            live: streams whose source waits for nobody: for them `block` means `drop_oldest`.
            lane: its name; leases of frames that are put in are this lane's.
        """
        self._size = max(1, size)
        self._policy = policy
        self._choose = choose
        self._live = frozenset(live)
        self._lane = lane
        self._streams: dict[str, _StreamQueue] = {}
        self._lock = threading.Lock()
        self._work = WakeUp()
        """For whoever takes. One is woken at a time; who leaves something behind wakes the next."""
        self._idle = 0
        """How many sleep, or are about to."""
        self._entries = 0
        self._closed = False
        self._arrivals = 0
        self._drops: dict[tuple[str, str], int] = {}
        self.on_taken: list[Callable[[], None]] = []
        """Called after an entry was taken, without any lock held: there is room again."""

    def drops(self) -> Mapping[tuple[str, str], int]:
        """Frames dropped so far, by stream and cause."""
        with self._lock:
            return dict(self._drops)

    def __len__(self) -> int:
        """Frames that wait."""
        with self._lock:
            return sum(queue.frames for queue in self._streams.values())

    def has_room(self, stream: str) -> bool:
        """Whether `put` takes one more entry of this stream, or drops a frame of it rather than wait."""
        queue = self._streams.get(stream)
        return queue is None or self._closed or self._has_room(stream, queue)

    def wait_for_room(self, stream: str) -> bool:
        """Wait until there is; False once the line is closed."""
        while True:
            with self._lock:
                if self._closed:
                    return False
                queue = self._streams.setdefault(stream, _StreamQueue())
                if self._has_room(stream, queue):
                    return True
                queue.sought = True
            queue.room.sleep()

    def put(self, entry: Entry) -> None:
        """Add an entry, or drop a frame as the policy says. Once closed, everything put in is dropped."""
        stream = entry.stream
        with self._lock:
            if self._closed:
                self._drop(entry, CLOSING)
                return
            queue = self._streams.get(stream)
            if queue is None:
                queue = self._streams[stream] = _StreamQueue()
            if queue.frames >= self._size and isinstance(entry, Frame):
                policy = self._policy_of(stream)
                if policy != "block":
                    self._drop(entry if policy == "drop_newest" else queue.take_oldest_frame(), policy)
                    if policy == "drop_newest":
                        return
                    self._entries -= 1
            self._arrivals += 1
            self._entries += queue.append(self._arrivals, entry)
            if self._idle:
                self._work.wake()

    def take(self, ready: Callable[[str], bool]) -> Entry | None:
        """The next entry, of a stream that is `ready` to go on; waits for one. None once the line is closed."""
        slept = 0
        while True:
            with self._lock:
                self._idle -= slept
                entry = self._pop(ready)
                if entry is None:
                    if self._closed:
                        self._wake_next()
                        return None
                    slept = 1
                    self._idle += slept
            if entry is not None:
                return self._announce(entry)
            self._work.sleep()

    def poll(self, ready: Callable[[str], bool]) -> Entry | None:
        """As `take`, but None where nothing is ready now."""
        with self._lock:
            entry = self._pop(ready)
        return self._announce(entry)

    def wake(self) -> None:
        """Let whoever waits look again: a stream may have become ready."""
        if self._entries:  # who puts one in now wakes them too
            with self._lock:
                self._wake_next()

    def forget(self, stream: str, cause: str) -> None:
        """Drop the frames of a stream that wait; its events stay in line."""
        with self._lock:
            queue = self._streams.get(stream)
            count = queue.frames if queue is not None else 0
            if queue is None or not count:
                return
            for _ in range(count):
                self._drop(queue.take_oldest_frame(), cause)
            self._entries -= count
            if queue.sought and self._has_room(stream, queue):
                self._tell_of_room(queue)
        for call in self.on_taken:
            call()

    def close(self) -> None:
        """End both sides; frames that still wait are dropped and counted."""
        with self._lock:
            self._closed = True
            for queue in self._streams.values():
                for _, entry in queue.entries:
                    self._drop(entry, CLOSING)
                self._tell_of_room(queue)
            self._streams.clear()
            self._entries = 0
            self._wake_next()

    def _policy_of(self, stream: str) -> DropPolicy:
        return "drop_oldest" if self._policy == "block" and stream in self._live else self._policy

    def _has_room(self, stream: str, queue: _StreamQueue) -> bool:
        return queue.events < _MAX_EVENTS and (queue.frames < self._size or self._policy_of(stream) != "block")

    def _pop(self, ready: Callable[[str], bool]) -> Entry | None:
        """With the lock held."""
        if not self._entries:
            return None
        waiting = [
            Waiting(stream, queue.entries[0][0])
            for stream, queue in self._streams.items()
            if queue.entries and ready(stream)
        ]
        if not waiting:
            return None
        stream = self._choose(waiting)
        queue = self._streams[stream]
        entry = queue.pop()
        self._entries -= 1
        if queue.sought and self._has_room(stream, queue):
            self._tell_of_room(queue)
        if self._entries:
            self._wake_next()
        return entry

    def _wake_next(self) -> None:
        """With the lock held."""
        if self._idle:
            self._work.wake()

    def _tell_of_room(self, queue: _StreamQueue) -> None:
        """With the lock held."""
        if queue.sought:
            queue.sought = False
            queue.room.wake()

    def _announce(self, entry: Entry | None) -> Entry | None:
        """Call `on_taken` for an entry that was taken. With no lock held."""
        if entry is not None:
            for call in self.on_taken:
                call()
        return entry

    def _drop(self, entry: Entry, cause: str) -> None:
        """A frame ends here, and its picture with it. With the lock held."""
        if isinstance(entry, Frame):
            key = (entry.stream, cause)
            self._drops[key] = self._drops.get(key, 0) + 1
            let_go(entry, self._lane)
