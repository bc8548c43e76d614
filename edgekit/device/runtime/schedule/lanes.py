"""A lane: one pinned OS thread that does its steps on the entries of all streams, and hands them on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded
from edgekit.device.runtime.schedule.choice import Choose, first_come
from edgekit.device.runtime.schedule.queues import LaneQueues
from edgekit.device.runtime.schedule.steps import FrameFailed, Step
from edgekit.device.runtime.schedule.threads import PinnedThread
from edgekit.schema.plan import LanePlan
from edgekit.stage import Frame


@dataclass(slots=True, kw_only=True, eq=False)
class Lane:
    """One lane. Its thread calls `turn` for ever; tests call it as often as they like."""

    name: str
    plan: LanePlan
    streams: frozenset[str]
    """All that will come."""
    steps: tuple[Step, ...]
    """Done on each frame in order."""
    figures: LaneFigures
    """What it does is counted here."""
    live: frozenset[str] = frozenset()
    """Streams whose source waits for nobody: where `drop` says `block`, their newest frames win."""
    failed: Callable[[str], None] = lambda _stream: None
    """Called with the stream of each frame that a step fails on."""
    advisory: bool = False
    """Whether it may run on other CPUs."""
    choose: Choose = first_come
    """Which stream is served next."""
    queues: LaneQueues = field(init=False)
    thread: PinnedThread = field(init=False)
    following: list[Lane] = field(init=False, default_factory=list)
    """Where entries go from here, all of them to each."""
    ended: threading.Event = field(init=False, default_factory=threading.Event)
    """Set when the last stream has ended."""
    left: set[str] = field(init=False)
    """Streams whose end has not come through."""

    def __post_init__(self) -> None:
        """Make the queues; the thread stands still."""
        self.queues = LaneQueues(self.plan.queue, self.plan.drop, self.choose, self.live)
        self.thread = PinnedThread(self.name, self.plan.cpus, advisory=self.advisory, body=self._work)
        self.left = set(self.streams)

    def lead_to(self, *lanes: Lane) -> None:
        """Hand on to these lanes."""
        for lane in lanes:
            self.following.append(lane)
            lane.queues.on_taken.append(self.queues.wake)

    def turn(self, *, wait: bool = False) -> bool:
        """Take the next entry that may go on, and work on it; False where there is none."""
        take = self.queues.take if wait else self.queues.poll
        entry = take(self._may_go_on)
        if entry is None:
            return False
        self._handle(entry)
        return True

    def close(self) -> None:
        """Close the steps; after the thread's end."""
        for step in self.steps:
            step.close()

    def _work(self) -> None:
        while not self.ended.is_set() and self.turn(wait=True):
            pass

    def _may_go_on(self, stream: str) -> bool:
        return all(lane.queues.has_room(stream) for lane in self.following)

    def _handle(self, entry: Entry) -> None:
        if isinstance(entry, Frame):
            left = self._through(entry)
            if left is not None:
                self._hand_on(left)
            return
        for step in self.steps:
            step.event(entry)
        self._hand_on(entry)
        if isinstance(entry, StreamEnded):
            self.left.discard(entry.stream)
            if not self.left:
                self.ended.set()

    def _through(self, frame: Frame) -> Frame | None:
        """All steps; an error or a None ends this frame and nothing else."""
        stream, left = frame.stream, frame
        for step in self.steps:
            self.figures.begin(step.name)
            try:
                result = step.frame(left)
            except FrameFailed:
                self.figures.drop(stream, step.name, "error")
                self.failed(stream)
                return None
            finally:
                self.figures.end()
            if result is None:
                self.figures.drop(stream, step.name, "stage")
                return None
            left = result
        return left

    def _hand_on(self, entry: Entry) -> None:
        for lane in self.following:
            lane.queues.put(entry)
