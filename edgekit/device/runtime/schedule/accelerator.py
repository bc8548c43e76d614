"""One accelerator that several engines share: its scheduler decides whose inference is next, by priority and weight.

Engines that are alone on theirs need none of this: their own slots are all there is to wait for. On the GPU engines run
side by side, and its hardware shares it out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgekit.device.runner import Runner
from edgekit.device.runner.slots import SlotGate
from edgekit.device.runtime.schedule.decide import Asking, StreamRule
from edgekit.device.runtime.schedule.recorder import Recorder
from edgekit.device.runtime.schedule.scheduler import Scheduler, SchedulerState
from edgekit.schema.plan import EnginePlan

_PATIENCE = 4.0
"""An engine may wait behind longer work for so many times what its own takes: where there are several places, longer
work leaves one free."""
_MAX_WAIT_S = 2.0
"""After so long an engine comes before every priority."""
_LOOK_S = 0.25
"""An engine that is kept waiting for one that comes no more is looked at again after this."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Request:
    engine: str
    arrival: int
    since_s: float
    prefers: tuple[int, ...]
    place: int | None = None
    """What it has got."""


class SharedAccelerator:
    """Places on one accelerator: cores. Any thread may ask; who has to wait sleeps."""

    def __init__(
        self, name: str, places: int, rules: Mapping[str, StreamRule], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with all places free.

        Args:
            name: of the accelerator.
            places: how many inferences it computes at once.
            rules: by engine.
            clock: monotonic seconds.
        """
        self.scheduler = Scheduler(rules, places, name=f"accelerator {name}")
        self._clock = clock
        self._free = list(range(places))
        self._requests: list[_Request] = []
        self._arrivals = 0
        self._changed = threading.Condition()

    def record(self, recorder: Recorder | None) -> SchedulerState:
        """Tell this one what is decided, or nobody; gives what the scheduler goes on with from here."""
        with self._changed:
            self.scheduler.recorder = recorder
            return self.scheduler.state()

    def gate(self, engine: str) -> SlotGate:
        """The way of one engine's inferences to it."""
        return _Gate(self, engine)

    def enter(self, engine: str, prefers: tuple[int, ...], timeout_s: float, closed: Callable[[], bool]) -> int | None:
        """Wait for a place; None: there was none in time, or the engine is closed.

        Args:
            engine: whose inference it is.
            prefers: places that would save it a copy.
            timeout_s: how long to wait.
            closed: whether the engine hands out slots no more.
        """
        until_s = self._clock() + timeout_s
        with self._changed:
            self._arrivals += 1
            mine = _Request(engine=engine, arrival=self._arrivals, since_s=self._clock(), prefers=prefers)
            self._requests.append(mine)
            self._hand_out()
            while mine.place is None and not closed() and (left_s := until_s - self._clock()) > 0:
                self._changed.wait(min(left_s, _LOOK_S))
                self._hand_out()
            if mine.place is None:
                self._requests.remove(mine)
            return mine.place

    def leave(self, engine: str, place: int, took_s: float) -> None:
        """A place is free again after so long."""
        with self._changed:
            self.scheduler.end(engine, took_s, self._clock())
            self._free.append(place)
            self._hand_out()

    def _hand_out(self) -> None:
        """Give free places to those whose turn it is. With the lock held."""
        while self._free and self._requests:
            first = {request.engine: request for request in reversed(self._requests)}
            asking = [
                Asking(request.engine, request.arrival, request.since_s, request.since_s, request.since_s)
                for request in first.values()
            ]
            act = self.scheduler.decide(asking, self._clock())
            if act is None:
                return
            chosen = first[act.stream]
            chosen.place = next((place for place in chosen.prefers if place in self._free), self._free[0])
            self._free.remove(chosen.place)
            self._requests.remove(chosen)
            self._changed.notify_all()


class _Gate:
    """See `SlotGate`."""

    def __init__(self, accelerator: SharedAccelerator, engine: str) -> None:
        self._accelerator, self._engine = accelerator, engine

    def enter(self, prefers: tuple[int, ...], timeout_s: float, closed: Callable[[], bool]) -> int | None:
        """See `SlotGate.enter`."""
        return self._accelerator.enter(self._engine, prefers, timeout_s, closed)

    def leave(self, place: int, took_s: float) -> None:
        """See `SlotGate.leave`."""
        self._accelerator.leave(self._engine, place, took_s)


def accelerator_of(engine: EnginePlan) -> str:
    """Where an engine computes, if others may have to wait for it there; empty: nobody has to."""
    if engine.runner == "rknn":
        return "npu"
    if engine.gathers:  # its places are not the accelerator's
        return ""
    return f"dla{engine.dla_core}" if engine.dla_core >= 0 else ""


def share_accelerators(
    engines: Mapping[str, EnginePlan], runners: Mapping[str, Runner], clock: Callable[[], float] = time.monotonic
) -> tuple[SharedAccelerator, ...]:
    """Let engines that compute on the same accelerator share it, each by its model's priority and weight.

    Args:
        engines: by model, as the plan has them.
        runners: the same, loaded.
        clock: monotonic seconds.
    """
    together: dict[str, list[str]] = {}
    for name, engine in engines.items():
        if where := accelerator_of(engine):
            together.setdefault(where, []).append(name)
    shared = []
    for where, names in together.items():
        places = {runners[name].slots for name in names}
        if len(names) == 1 or len(places) != 1:  # with other numbers of slots their places are not each other's
            continue
        accelerator = SharedAccelerator(where, places.pop(), {name: _rule(engines[name]) for name in names}, clock)
        for name in names:
            runners[name].share(accelerator.gate(name))
        shared.append(accelerator)
    return tuple(shared)


def _rule(engine: EnginePlan) -> StreamRule:
    return StreamRule(priority=engine.priority, weight=engine.weight, max_wait_s=_MAX_WAIT_S, patience=_PATIENCE)
