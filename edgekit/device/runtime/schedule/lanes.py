"""A lane: pinned OS threads that do its steps on entries of all streams, and hand them on in each stream's order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.leases import let_go, note_done, note_step, pass_on
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamRestarted, StreamStarted
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.queues import LaneQueues
from edgekit.device.runtime.schedule.scheduler import Scheduler
from edgekit.device.runtime.schedule.served import ServedRequest
from edgekit.device.runtime.schedule.steps import FrameFailed, Step
from edgekit.device.runtime.schedule.threads import PinnedThread
from edgekit.schema.plan import LanePlan
from edgekit.stage import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What one thread of a lane works with.

    No other one brings it frames; events of a stream come from whichever thread took them, while none works on it.
    """

    steps: tuple[Step, ...]
    """Done on each frame in order."""
    figures: LaneFigures
    """What it does is counted here, under the thread's name."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LaneThread:
    """One thread of a lane, with its crew."""

    name: str
    crew: Crew
    thread: PinnedThread

    @property
    def figures(self) -> LaneFigures:
        """What it does is counted here."""
        return self.crew.figures


@dataclass(slots=True, kw_only=True, eq=False)
class Lane:
    """One lane. Each of its threads calls `turn` for ever; tests call it as often as they like."""

    name: str
    plan: LanePlan
    streams: frozenset[str]
    """All that will come."""
    crews: tuple[Crew, ...]
    """One for each thread; they do the same."""
    rules: Mapping[str, StreamRule] = field(default_factory=dict)
    """What the recipe says of streams."""
    live: frozenset[str] = frozenset()
    """Streams whose source waits for nobody: where `drop` says `block`, their newest frames win."""
    served: Mapping[str, StreamRule] = field(default_factory=dict)
    """Streams of requests from outside, beside `streams`, and their rules: nobody waits for their end."""
    expected_s: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """What a frame is taken to cost here until some were seen, by its picture's width and height."""
    failed: Callable[[str], None] = lambda _stream: None
    """Called with the stream of each frame that a step fails on."""
    advisory: bool = False
    """Whether it may run on other CPUs."""
    clock: Callable[[], float] = time.monotonic
    scheduler: Scheduler = field(init=False)
    """Says which stream is served next."""
    queues: LaneQueues = field(init=False)
    threads: tuple[LaneThread, ...] = field(init=False)
    following: list[Lane] = field(init=False, default_factory=list)
    """Where entries go from here, all of them to each."""
    ended: threading.Event = field(init=False, default_factory=threading.Event)
    """Set when the last stream has ended."""
    left: set[str] = field(init=False)
    """Streams whose end has not come through."""
    _behind: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Make the queues; the threads stand still."""
        rules = {stream: self.rules.get(stream, StreamRule()) for stream in self.streams}
        self.scheduler = Scheduler(rules | dict(self.served), len(self.crews), rest=self._rest_s, name=self.name)
        self.queues = LaneQueues(self.plan.queue, self.plan.drop, self.scheduler, self.live, self.name)
        self.queues.clock, self.queues.served = self.clock, frozenset(self.served)
        self.threads = tuple(self._thread(crew) for crew in self.crews)
        self.left = set(self.streams)

    def lead_to(self, *lanes: Lane) -> None:
        """Hand on to these lanes."""
        for lane in lanes:
            self.following.append(lane)
            self._behind.append(lane.name)
            lane.queues.on_taken.append(self.queues.wake)

    def turn(self, crew: Crew | None = None, *, wait: bool = False) -> bool:
        """Take the next entry that may go on, and work on it; False where there is none."""
        take = self.queues.take if wait else self.queues.poll
        entry = take(self._may_go_on)
        if entry is None:
            return False
        crew = crew or self.crews[0]
        if not self.queues.counts and self.queues.recorder is None:
            self._handle(entry, crew)
            return True
        began_s = self.clock()
        self._handle(entry, crew)
        self.queues.done(entry, began_s)
        if (recorder := self.queues.recorder) is not None and isinstance(entry, Frame):
            recorder.worked(began_s, self.clock() - began_s, self.name, crew.figures.name, entry)
        return True

    def close(self) -> None:
        """Close the steps; after the threads' end."""
        for crew in self.crews:
            for step in crew.steps:
                step.close()

    def _thread(self, crew: Crew) -> LaneThread:
        name = crew.figures.name
        body = partial(self._work, crew)
        plan = self.plan
        thread = PinnedThread(name, plan.cpus, advisory=self.advisory, body=body, realtime=plan.realtime)
        return LaneThread(name=name, crew=crew, thread=thread)

    def _work(self, crew: Crew) -> None:
        while not self.ended.is_set() and self.turn(crew, wait=True):
            pass

    def _rest_s(self, stream: str, now_s: float) -> float:
        return max((lane.scheduler.left_s(stream, now_s) for lane in self.following), default=0.0)

    def _may_go_on(self, stream: str) -> bool:
        if stream in self.served:
            return True
        coming = self.queues.under_way(stream) if len(self.crews) > 1 else 0
        for lane in self.following:  # noqa: SIM110  asked for each frame, and a generator costs more
            if not lane.queues.has_room(stream, coming):
                return False
        return True

    def _handle(self, entry: Entry, crew: Crew) -> None:
        if isinstance(entry, ServedRequest):
            self._serve(entry, crew)
            return
        if isinstance(entry, Frame):
            stream, sequence = entry.stream, entry.sequence
            left = self._through(entry, crew)
            if len(self.crews) > 1:
                self.queues.order_of(stream).finish(sequence, left, self._pass_on)
            elif left is not None:
                self._pass_on(left)
            return
        if isinstance(entry, (StreamStarted, StreamRestarted)):
            size = (entry.info.spec.width_px, entry.info.spec.height_px)
            if size in self.expected_s:
                self.queues.expect(entry.stream, self.expected_s[size])
        for one in self.crews:  # no other thread is at work on this stream
            for step in one.steps:
                step.event(entry)
        for lane in self.following:
            lane.queues.put(entry)
        if isinstance(entry, StreamEnded):
            self.left.discard(entry.stream)
            if not self.left:
                self.ended.set()
                if len(self.crews) > 1:
                    self.queues.close()  # the other threads wait for what does not come

    def _serve(self, request: ServedRequest, crew: Crew) -> None:
        """What is asked for comes back from here: nothing follows."""
        crew.figures.begin(request.stream)
        request.work()
        crew.figures.end()
        if len(self.crews) > 1:
            self.queues.order_of(request.stream).finish(request.sequence, None, self._pass_on)

    def _pass_on(self, frame: Frame) -> None:
        for lane in self.following:
            lane.queues.rouse()
        pass_on(frame, self.name, self._behind)
        for lane in self.following:
            lane.queues.put(frame)

    def _through(self, frame: Frame, crew: Crew) -> Frame | None:
        """All steps. A frame ends here after an error or a None, and where no lane follows."""
        left: Frame = frame
        for step in crew.steps:
            note_step(left, self.name, step.name)
            result, cause = self._step(step, left, crew.figures)
            note_done(left, self.name, step.name)
            if result is None:
                crew.figures.drop(left.stream, step.name, cause)
                let_go(left, self.name)
                return None
            left = result
        if not self.following:
            let_go(left, self.name)
            return None
        return left

    def _step(self, step: Step, frame: Frame, figures: LaneFigures) -> tuple[Frame | None, str]:
        """What a step makes of a frame; where that is nothing, why."""
        figures.begin(step.name)
        try:
            return step.frame(frame), "stage"
        except FrameFailed:
            self.failed(frame.stream)
            return None, "error"
        finally:
            figures.end()
