"""A lane: one pinned OS thread that does its steps on the entries of all streams, and hands them on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.leases import let_go, note_done, note_step, pass_on
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
    _behind: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Make the queues; the thread stands still."""
        self.queues = LaneQueues(self.plan.queue, self.plan.drop, self.choose, self.live, self.name)
        self.thread = PinnedThread(self.name, self.plan.cpus, advisory=self.advisory, body=self._work)
        self.left = set(self.streams)

    def lead_to(self, *lanes: Lane) -> None:
        """Hand on to these lanes."""
        for lane in lanes:
            self.following.append(lane)
            self._behind.append(lane.name)
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
        for lane in self.following:  # noqa: SIM110  asked for each frame, and a generator costs more
            if not lane.queues.has_room(stream):
                return False
        return True

    def _handle(self, entry: Entry) -> None:
        if isinstance(entry, Frame):
            left = self._through(entry)
            if left is not None:
                for lane in self.following:
                    lane.queues.rouse()
                pass_on(left, self.name, self._behind)
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
        """All steps. A frame ends here after an error or a None, and where no lane follows."""
        left: Frame = frame
        for step in self.steps:
            note_step(left, self.name, step.name)
            result, cause = self._step(step, left)
            note_done(left, self.name, step.name)
            if result is None:
                self.figures.drop(left.stream, step.name, cause)
                let_go(left, self.name)
                return None
            left = result
        if not self.following:
            let_go(left, self.name)
            return None
        return left

    def _step(self, step: Step, frame: Frame) -> tuple[Frame | None, str]:
        """What a step makes of a frame; where that is nothing, why."""
        self.figures.begin(step.name)
        try:
            return step.frame(frame), "stage"
        except FrameFailed:
            self.failed(frame.stream)
            return None, "error"
        finally:
            self.figures.end()

    def _hand_on(self, entry: Entry) -> None:
        for lane in self.following:
            lane.queues.put(entry)
