"""Lanes and cameras of a forecast: the runtime's own queues, scheduler and leases, with threads that are only told."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from typing import NamedTuple

import numpy as np

from edgekit.device.runtime.forecast.costs import Extra, FrameWork, StepCosts, StepWork
from edgekit.device.runtime.forecast.processors import Clock, Cpus, Slots, Then
from edgekit.device.runtime.frames.leases import StreamLeases, let_go, pass_on
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.queues import LaneQueues
from edgekit.device.runtime.schedule.scheduler import Scheduler
from edgekit.imaging.image import RgbImage
from edgekit.schema.forecast import Span
from edgekit.schema.plan import LanePlan
from edgekit.schema.profile import DECODE
from edgekit.stage import Frame

_LOOK_AGAIN_S = 0.001


@dataclass(slots=True, eq=False)
class Company:
    """Threads that are inside a step, as a profile counts those that meet."""

    inside: int = 0
    entered: int = 0
    """How often one has begun."""

    def enter(self) -> int:
        """One more; which one it is."""
        self.inside += 1
        self.entered += 1
        return self.entered


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all lanes and cameras of one run share."""

    clock: Clock
    cpus: Cpus
    slots: Slots
    arrived: Callable[[Frame], None]
    """Called at each sink."""
    worked: Callable[[Span], None]
    company: Company = field(default_factory=Company)

    def do(self, allowed: Sequence[int], step: StepWork, then: Then) -> None:
        """Have a thread do a step on one of these CPUs, and then go on. Who meets others takes longer."""
        met, entered = self.company.inside > 0, self.company.enter()

        def done() -> None:
            nonlocal met
            if not met and any(step.more) and self.company.entered != entered:
                met = True
                self._take(allowed, *step.more, done)
            else:
                self.company.inside -= 1
                then()

        extra = step.more if met else Extra()
        self._take(allowed, step.cpu_s + extra.cpu_s, step.pause_s + extra.pause_s, done)

    def _take(self, allowed: Sequence[int], cpu_s: float, pause_s: float, then: Then) -> None:
        if pause_s:
            self.clock.after(pause_s, lambda: self.cpus.work(allowed, cpu_s, then))
        else:
            self.cpus.work(allowed, cpu_s, then)


class _Task(NamedTuple):
    """A frame that a thread has taken."""

    thread: int
    frame: Frame
    began_s: float
    todo: FrameWork


@dataclass(slots=True, kw_only=True, eq=False)
class ToldLane:
    """One lane. It does as `Lane` does, but for the work."""

    name: str
    plan: LanePlan
    costs: StepCosts
    around: Surroundings
    rules: Mapping[str, StreamRule]
    live: frozenset[str]
    following: list[ToldLane] = field(default_factory=list)
    scheduler: Scheduler = field(init=False)
    queues: LaneQueues = field(init=False)
    busy_s: float = field(init=False, default=0.0)
    _idle: list[int] = field(init=False)
    _waking: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Make the queues; all threads sleep."""
        self.scheduler = Scheduler(self.rules, self.plan.threads, rest=self._rest_s)
        self.queues = LaneQueues(self.plan.queue, self.plan.drop, self.scheduler, self.live, self.name)
        self.queues.clock = self.around.clock
        self._idle = list(range(self.plan.threads))

    def lead_to(self, lane: ToldLane) -> None:
        """Hand on to this lane too."""
        self.following.append(lane)
        lane.queues.on_taken.append(self.wake)

    def put(self, frame: Frame) -> None:
        """A frame comes."""
        self.queues.put(frame)
        self.wake()

    def wake(self) -> None:
        """One thread that sleeps looks what there is, after a moment."""
        if len(self._idle) > self._waking and len(self.queues):
            self._waking += 1
            self.around.clock.after(self.costs.handoff_s(met=self.around.company.inside > 0), self._woken)

    def _woken(self) -> None:
        self._waking -= 1
        if self._idle:
            self._look(self._idle.pop())

    def _look(self, thread: int) -> None:
        """A thread takes the next frame, or sleeps."""
        entry = self.queues.poll(self._may_go_on)
        if not isinstance(entry, Frame):
            self._idle.append(thread)
            return
        todo = self.costs.of_frame()
        self._work(_Task(thread, entry, self.around.clock.now_s, todo), todo.works)
        self.wake()

    def _work(self, task: _Task, left: tuple[StepWork, ...]) -> None:
        """Do the steps that are left, one after the other."""
        if not left:
            self._finish(task)
            return
        first, rest = left[0], left[1:]

        def done() -> None:
            if first.is_sink:
                self.around.arrived(task.frame)
            self._work(task, rest)

        def wait() -> None:
            if first.wait_s:
                self.around.slots.work(first.wait_s, done)
            else:
                done()

        self.around.do(self.plan.cpus, first, wait)

    def _finish(self, task: _Task) -> None:
        frame, began_s, now_s = task.frame, task.began_s, self.around.clock.now_s
        self.busy_s += now_s - began_s
        name = f"{self.name}.{task.thread + 1}" if task.thread else self.name
        self.around.worked(Span(thread=name, stream=frame.stream, begin_ms=began_s * 1000, end_ms=now_s * 1000))
        left = frame if task.todo.goes_on else None
        if left is None:
            let_go(frame, self.name)
        if self.plan.threads > 1:
            self.queues.order_of(frame.stream).finish(frame.sequence, left, self._pass_on)
        elif left is not None:
            self._pass_on(left)
        self.around.cpus.work(self.plan.cpus, self.costs.overhead_s, lambda: self._rest(task))

    def _rest(self, task: _Task) -> None:
        """A thread is through with a frame, and looks for the next."""
        self.queues.done(task.frame, task.began_s)
        self._look(task.thread)

    def _pass_on(self, frame: Frame) -> None:
        if not self.following:
            let_go(frame, self.name)
            return
        pass_on(frame, self.name, [lane.name for lane in self.following])
        for lane in self.following:
            lane.put(frame)

    def _may_go_on(self, stream: str) -> bool:
        coming = self.queues.under_way(stream) if self.plan.threads > 1 else 0
        return all(lane.queues.has_room(stream, coming) for lane in self.following)

    def _rest_s(self, stream: str, now_s: float) -> float:
        return max((lane.scheduler.left_s(stream, now_s) for lane in self.following), default=0.0)


@dataclass(slots=True, kw_only=True, eq=False)
class ToldCamera:
    """One camera and the thread that decodes it."""

    stream: str
    lane: LanePlan
    period_s: float
    """Between pictures that go on."""
    decoded: float
    """Pictures that are decoded for each that goes on: `max_fps` drops the others."""
    costs: StepCosts
    leases: StreamLeases
    entry: tuple[ToldLane, ...]
    around: Surroundings
    rhythm_s: Sequence[float] = ()
    """What decoding each picture of its clip takes, over and over; none: what `costs` draws."""
    live: bool
    """A camera's pictures count from their arrival; a clip is decoded ahead of each picture's time."""
    captured: int = field(init=False, default=0)
    dropped: int = field(init=False, default=0)
    """For want of a lease."""
    most: int = field(init=False, default=0)
    """Pictures in use at once."""
    _due: deque[float] = field(init=False, default_factory=deque)
    _busy: bool = field(init=False, default=False)
    _began_s: float = field(init=False, default=0.0)
    _sequence: int = field(init=False, default=-1)
    _place_in_clip: float = field(init=False, default=0.0)

    @property
    def busy_ratio(self) -> float:
        """How busy decoding keeps its thread."""
        return self.decoded * self.costs.mean_s / self.period_s

    def begin(self, phase: float) -> None:
        """Give pictures: the first of its clip so many periods from now, and until then those before it."""
        self._place_in_clip = -floor(phase) * self.decoded
        self.around.clock.at((phase - floor(phase)) * self.period_s, self._capture)

    def _capture(self) -> None:
        self.captured += 1
        self._due.append(self.around.clock.now_s)
        self.around.clock.after(self.period_s, self._capture)
        if not self._busy:
            self._decode()

    def _decode(self) -> None:
        self._busy = bool(self._due)
        if not self._due:
            return
        captured_s, self._began_s = self._due.popleft(), self.around.clock.now_s
        self.around.do(self.lane.cpus, self._decoding(), lambda: self._hand_on(captured_s))

    def _decoding(self) -> StepWork:
        """Of one picture that goes on, and those before it that do not."""
        (work,) = self.costs.of_frame().works or (StepWork(name=DECODE, cpu_s=0.0),)
        if not self.rhythm_s:
            return replace(work, cpu_s=self.decoded * work.cpu_s)
        first, self._place_in_clip = self._place_in_clip, self._place_in_clip + self.decoded
        some = range(int(first), int(self._place_in_clip))
        return replace(work, cpu_s=sum(self.rhythm_s[k % len(self.rhythm_s)] for k in some))

    def _hand_on(self, captured_s: float) -> None:
        """Put a picture in line. A recording waits for room, a camera waits for nobody."""
        now_s = self.around.clock.now_s
        if not self.live and not self._has_room():
            self.around.clock.after(_LOOK_AGAIN_S, lambda: self._hand_on(captured_s))
            return
        self._sequence += 1
        came_s = captured_s if self.live else now_s  # a recording's picture is decoded before it is due
        frame = Frame(stream=self.stream, sequence=self._sequence, captured_s=came_s, image=_picture())
        if self.leases.lend(frame, self._place):
            self.most = max(self.most, self.leases.held)
            pass_on(frame, self._place, [lane.name for lane in self.entry])
            for lane in self.entry:
                lane.put(frame)
        else:
            self.dropped += 1
        self.around.worked(
            Span(thread=self._place, stream=self.stream, begin_ms=self._began_s * 1000, end_ms=now_s * 1000)
        )
        self.around.cpus.work(self.lane.cpus, self.costs.overhead_s, self._decode)

    def _has_room(self) -> bool:
        return self.leases.held < self.leases.most and all(lane.queues.has_room(self.stream) for lane in self.entry)

    @property
    def _place(self) -> str:
        return f"decode/{self.stream}"


def _picture() -> RgbImage:
    return RgbImage(pixels=np.zeros((1, 1, 3), np.uint8), order="RGB")
