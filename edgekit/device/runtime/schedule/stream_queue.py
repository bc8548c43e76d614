"""One stream's entries in front of a lane."""

from __future__ import annotations

from collections import deque

from edgekit.device.runtime.frames.stream import Entry, StreamEvent, StreamGap
from edgekit.device.runtime.schedule.decide import Asking
from edgekit.device.runtime.schedule.order import StreamOrder
from edgekit.device.runtime.wakeup import WakeUp
from edgekit.stage import Frame

MAX_EVENTS = 32
"""Events of one stream that wait; whoever brings more has to wait. Frames have a bound of their own."""


class StreamQueue:
    """Entries in their order. Whoever uses it holds the line's lock."""

    __slots__ = ("entries", "event_under_way", "frames", "order", "room", "since_s", "sought", "stream")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.entries: deque[tuple[int, Entry]] = deque()
        """Each with the number of its arrival. Who appends a frame counts it in `frames`."""
        self.frames = 0
        self.since_s: float | None = None
        """When the first frame came since the last one was served; those between may have been dropped."""
        self.order = StreamOrder()
        """Of what several threads have taken."""
        self.event_under_way = False
        """Whether a thread has an event of it: nobody takes anything of it meanwhile."""
        self.room = WakeUp()
        """For the one thread that puts in."""
        self.sought = False
        """Whether that thread waits for room."""

    @property
    def events(self) -> int:
        """Those entries that are no frames."""
        return len(self.entries) - self.frames

    @property
    def is_open(self) -> bool:
        """Whether one of several threads may take its first entry: an event passes what came before it by no means."""
        return not self.event_under_way and (isinstance(self.entries[0][1], Frame) or not self.order.taken)

    def asking(self) -> Asking:
        """What its first entry, a frame, asks for."""
        arrival, first = self.entries[0]
        assert isinstance(first, Frame), "events are not asked about"
        newest_s = first.captured_s
        if self.frames > 1:
            newest_s = next(entry.captured_s for _, entry in reversed(self.entries) if isinstance(entry, Frame))
        assert self.since_s is not None, "a frame has come"
        return Asking(self.stream, arrival, first.captured_s, newest_s, self.since_s)

    def join_gap(self, event: StreamEvent) -> bool:
        """Whether the event has become part of the last one: two gaps that meet are one."""
        last = self.entries[-1] if self.entries else None
        if not isinstance(event, StreamGap) or last is None or not isinstance(last[1], StreamGap):
            return False
        both = StreamGap(stream=event.stream, missing=last[1].missing + event.missing)
        self.entries[-1] = (last[0], both)
        return True

    def tell_of_room(self, most: int, *, closed: bool) -> None:
        """Wake the thread that waits to put something in, when half of the queue is empty, or the line is closed.

        Woken for each frame, it would put in one and sleep again, and both threads would do nothing else.

        Args:
            most: how many frames wait at most.
            closed: whether nothing more is taken.
        """
        if self.sought and (closed or (self.frames <= most // 2 and self.events < MAX_EVENTS)):
            self.sought = False
            self.room.wake()

    def pop(self) -> Entry:
        """The first one."""
        _, entry = self.entries.popleft()
        if isinstance(entry, Frame):
            self.frames -= 1
        return entry

    def take_oldest_frame(self) -> Entry:
        """Of at least one."""
        position = next(place for place, (_, waiting) in enumerate(self.entries) if isinstance(waiting, Frame))
        _, frame = self.entries[position]
        del self.entries[position]
        self.frames -= 1
        return frame
