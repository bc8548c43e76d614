"""What stands in line in front of a lane: one bounded queue for each stream, so that none blocks another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping

from edgekit.device.runtime.frames.leases import let_go
from edgekit.device.runtime.frames.stream import Entry
from edgekit.device.runtime.schedule.decide import Act
from edgekit.device.runtime.schedule.order import StreamOrder
from edgekit.device.runtime.schedule.recorder import Recorder
from edgekit.device.runtime.schedule.scheduler import Scheduler, SchedulerState
from edgekit.device.runtime.schedule.served import ServedRequest
from edgekit.device.runtime.schedule.stream_queue import MAX_EVENTS, StreamQueue
from edgekit.schema.recipe import DropPolicy
from edgekit.stage import Frame

CLOSING = "closing"
"""Why frames end that wait, or are on their way, when the pipeline stops."""


class LaneQueues:
    """Hands entries from other threads to a lane's. Each stream is put in by one thread alone.

    `put` and `take` are on every frame's way, mostly on CPUs whose caches have forgotten them: they call little.
    """

    def __init__(
        self,
        size: int,
        policy: DropPolicy,
        scheduler: Scheduler | None = None,
        live: Collection[str] = (),
        lane: str = "",
    ) -> None:
        """Make an empty line.

        Args:
            size: how many frames of one stream wait at most.
            policy: what happens to a frame that finds its queue full.
            scheduler: says which stream is next; None: who came first, whatever the stream.
            live: streams whose source waits for nobody: for them `block` means `drop_oldest`.
            lane: its name; leases of frames that are put in are this lane's.
        """
        self.most = max(1, size)  # may be changed at any time; what waits then stays
        self._policy = policy
        self._scheduler = scheduler or Scheduler()
        self.clock: Callable[[], float] = time.monotonic  # seconds, those of frames' capture
        self._asks = not self._scheduler.is_plain
        self._several = self._scheduler.places > 1
        self.counts = self._asks or len(self._scheduler.rules) != 1
        """Whether decisions need to know who was served, who waits, and for how long: else no clock need be read."""
        self.recorder: Recorder | None = None  # told of frames that come and end here, while there is one
        self._emptied = False  # whether something was taken out that those before have not been told of
        self._live = frozenset(live)
        self.served: frozenset[str] = frozenset()  # streams of requests, which whoever puts them in bounds
        self._lane = lane
        self._streams: dict[str, StreamQueue] = {}
        self._lock = threading.Lock()
        self._sleep = threading.Lock()
        """Held while nobody is to wake up: who takes sleeps by acquiring it. One is woken at a time; who leaves
        something behind wakes the next."""
        self._sleep.acquire()
        self._idle = 0  # how many sleep, or are about to
        self._woken = False  # whether one of them was woken, and does not know it yet
        self._entries = 0
        self._closed = False
        self._arrivals = 0
        self._drops: dict[tuple[str, str], int] = {}
        self.on_taken: list[Callable[[], None]] = []  # called after an entry was taken, without any lock held

    def drops(self) -> Mapping[tuple[str, str], int]:
        """Frames dropped so far, by stream and cause."""
        with self._lock:
            return dict(self._drops)

    def __len__(self) -> int:
        """Frames that wait."""
        return sum(self.waiting().values())

    def waiting(self) -> Mapping[str, int]:
        """Frames that wait, by stream."""
        with self._lock:
            return {stream: queue.frames for stream, queue in self._streams.items()}

    def has_room(self, stream: str, coming: int = 0) -> bool:
        """Whether `put` takes one more entry of this stream, or drops a frame of it rather than wait.

        Args:
            stream: its name.
            coming: how many frames of it are on their way here already.
        """
        queue = self._streams.get(stream)
        if queue is None:
            return self._closed or coming < self.most or self._policy_of(stream) != "block"
        return self._closed or self._has_room(stream, queue, coming)

    def under_way(self, stream: str) -> int:
        """How many frames of a stream several threads have taken and not handed on."""
        queue = self._streams.get(stream)
        return len(queue.order.taken) if queue is not None else 0

    def order_of(self, stream: str) -> StreamOrder:
        """The order of what several threads have taken of a stream."""
        return self._streams[stream].order

    def wait_for_room(self, stream: str) -> bool:
        """Wait until there is; False once the line is closed."""
        queue = self._streams.get(stream)
        if queue is not None and not self._closed and self._has_room(stream, queue):
            return True  # and it stays so: nobody else puts in entries of this stream
        while True:
            with self._lock:
                if self._closed:
                    return False
                queue = self._streams.get(stream)
                if queue is None:
                    queue = self._streams[stream] = StreamQueue(stream)
                if self._has_room(stream, queue):
                    return True
                queue.sought = True
            queue.room.sleep()

    def rouse(self) -> None:
        """Wake up who waits to take something, which comes in a moment: waking takes longer than what is left to do."""
        if self._idle and not self._woken:
            with self._lock:
                self._wake_next()

    def put(self, entry: Entry) -> None:
        """Add an entry, or drop a frame as the policy says. Once closed, everything put in is dropped."""
        stream = entry.stream
        with self._lock:
            if self._idle and not self._woken:  # first, as a thread takes longer to wake up than all the rest takes
                self._woken = True
                self._sleep.release()
            queue = self._streams.get(stream)
            if queue is None or self._closed:
                if self._closed:
                    self._drop(entry, CLOSING)
                    return
                queue = self._streams[stream] = StreamQueue(stream)
            if not isinstance(entry, Frame):
                if queue.join_gap(entry):
                    return
            else:
                if queue.frames >= self.most and not self._make_room(queue, entry):
                    return
                if queue.since_s is None and self.counts:
                    queue.since_s = self.clock()
                queue.frames += 1
                if self.recorder is not None:
                    self.recorder.came(self.clock(), self._lane, entry)
            self._arrivals += 1
            self._entries += 1
            queue.entries.append((self._arrivals, entry))

    def take(self, ready: Callable[[str], bool]) -> Entry | None:
        """The next entry, of a stream that is `ready` to go on; waits for one. None once the line is closed.

        Whoever takes a frame says when it is `done`.
        """
        slept = 0
        while True:
            with self._lock:
                if slept:
                    self._idle -= 1
                    self._woken = False
                entry = self._pop(ready) if self._entries else None
                if entry is None:
                    if self._closed:
                        self._wake_next()
                        return None
                    slept = 1
                    self._idle += 1
            if self._emptied:
                self._tell_those_before()
            if entry is not None:
                return entry
            self._sleep.acquire()

    def poll(self, ready: Callable[[str], bool]) -> Entry | None:
        """As `take`, but None where nothing is ready now."""
        with self._lock:
            entry = self._pop(ready)
        if self._emptied:
            self._tell_those_before()
        return entry

    def done(self, entry: Entry, began_s: float) -> None:
        """Whoever took an entry at this time is free again; what is handed on of it has been."""
        if not self.counts:
            return
        stream, now_s = entry.stream, self.clock()
        with self._lock:
            if isinstance(entry, Frame):
                self._scheduler.end(stream, now_s - began_s, now_s)
            elif self._several:
                self._scheduler.move(1)
                if (queue := self._streams.get(stream)) is not None:
                    queue.event_under_way = False
            if self._several and self._entries:
                self._wake_next()

    def expect(self, stream: str, seconds: float) -> None:
        """Take a stream's frames to cost so much, where nothing is known of them: as if one had, just now."""
        now_s = self.clock()
        with self._lock:
            if self.counts and not self._scheduler.cost_s(stream, now_s):
                self._scheduler.end(stream, seconds, now_s, places=0)

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
            queue.since_s = None  # nothing of it waits any more
            queue.tell_of_room(self.most, closed=self._closed)
        for call in self.on_taken:
            call()

    def record(self, recorder: Recorder | None) -> SchedulerState:
        """Tell this one what comes and is decided, or nobody; gives what the scheduler goes on with from here."""
        with self._lock:
            self.recorder = self._scheduler.recorder = recorder
            return self._scheduler.state()

    def close(self) -> None:
        """End both sides; frames that still wait are dropped and counted."""
        with self._lock:
            self._closed = True
            for queue in self._streams.values():
                for _, entry in queue.entries:
                    self._drop(entry, CLOSING)
                queue.entries.clear()
                queue.frames = 0
                queue.tell_of_room(self.most, closed=self._closed)
            self._entries = 0
            self._wake_next()

    def _policy_of(self, stream: str) -> DropPolicy:
        if stream in self.served or (self._policy == "block" and stream in self._live):
            return "block" if stream in self.served else "drop_oldest"
        return self._policy

    def _has_room(self, stream: str, queue: StreamQueue, coming: int = 0) -> bool:
        return queue.events < MAX_EVENTS and (queue.frames + coming < self.most or self._policy_of(stream) != "block")

    def _tell_those_before(self) -> None:
        self._emptied = False  # before the calls: what is taken out after this has its own
        for call in self.on_taken:
            call()

    def _make_room(self, queue: StreamQueue, frame: Frame) -> bool:
        """Whether a frame that finds its queue full stands in line all the same. With the lock held."""
        policy = self._policy_of(frame.stream)
        if policy == "drop_newest":
            self._drop(frame, policy)
            return False
        if policy == "drop_oldest":
            self._drop(queue.take_oldest_frame(), policy)
            self._entries -= 1
        return True

    def _pop(self, ready: Callable[[str], bool]) -> Entry | None:
        """With the lock held."""
        while True:
            found: StreamQueue | None = None
            several: list[StreamQueue] = []
            for stream, queue in self._streams.items():
                if queue.entries and (not self._several or queue.is_open) and ready(stream):
                    if found is not None:
                        several.append(queue)
                    else:
                        found = queue
            if found is None:
                return None
            if several or self._asks:
                act = self._decide([found, *several])
                if act is None:
                    return None
                found = self._streams[act.stream]
                if act.cause:
                    self._drop(found.pop(), act.cause)
                    self._entries -= 1
                    self._emptied = True
                    found.tell_of_room(self.most, closed=self._closed)
                    continue
            elif self.counts and isinstance(found.entries[0][1], Frame):
                self._scheduler.begin(found.stream, self.clock())
            return self._popped(found)

    def _decide(self, queues: list[StreamQueue]) -> Act | None:
        """Events cost nothing and come first. With the lock held."""
        events = [queue for queue in queues if not isinstance(queue.entries[0][1], Frame)]
        if events:
            return Act(min(events, key=lambda queue: queue.entries[0][0]).stream)
        return self._scheduler.decide([queue.asking() for queue in queues], self.clock())

    def _popped(self, queue: StreamQueue) -> Entry:
        """With the lock held."""
        entry = queue.pop()
        self._entries -= 1
        self._emptied = True
        if not queue.frames and isinstance(entry, Frame):
            queue.since_s = None
        if self._several:
            if isinstance(entry, Frame):
                queue.order.taken.append(entry.sequence)
            else:
                self._scheduler.move(-1)
                queue.event_under_way = True
        if queue.sought:
            queue.tell_of_room(self.most, closed=self._closed)
        if self._entries:
            self._wake_next()
        return entry

    def _wake_next(self) -> None:
        """With the lock held."""
        if self._idle and not self._woken:
            self._woken = True
            self._sleep.release()

    def _drop(self, entry: Entry, cause: str) -> None:
        """A frame ends here, and its picture with it. With the lock held."""
        if isinstance(entry, Frame):
            self._drops[entry.stream, cause] = self._drops.get((entry.stream, cause), 0) + 1
            if self.recorder is not None:
                self.recorder.dropped(self.clock(), self._lane, entry, cause)
            let_go(entry, self._lane)
            if isinstance(entry, ServedRequest):
                entry.refuse(cause)
