"""A virtual clock, CPUs that threads take turns on, and places of accelerators. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence

SLICE_S = 0.003
"""How long a thread has a CPU that others want too. Source: Linux, kernel/sched/fair.c, `base_slice`: 0.7 ms, scaled by
the number of CPUs to 1.4 ms with two, 2.8 ms with eight and more."""

Then = Callable[[], None]


class Clock:
    """Does things at their times, in the order in which they were asked for where these are the same."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._waiting: list[tuple[float, int, Then]] = []
        self._count = 0

    def __call__(self) -> float:
        """Now."""
        return self.now_s

    def at(self, when_s: float, then: Then) -> None:
        """Do something at a time."""
        self._count += 1
        heapq.heappush(self._waiting, (max(when_s, self.now_s), self._count, then))

    def after(self, seconds: float, then: Then) -> None:
        """Do something in a while."""
        self.at(self.now_s + seconds, then)

    def run(self, until_s: float) -> None:
        """Let time pass."""
        while self._waiting and self._waiting[0][0] <= until_s:
            self.now_s, _, then = heapq.heappop(self._waiting)
            then()
        self.now_s = until_s


class Cpu:
    """One CPU: the threads that want it have it in turn."""

    def __init__(self, number: int, clock: Clock) -> None:
        self.number = number
        self.busy_s = 0.0
        self._clock = clock
        self._wanting: deque[tuple[float, Then]] = deque()
        self._taken = False

    @property
    def load(self) -> int:
        """How many threads want it."""
        return len(self._wanting) + self._taken

    def work(self, seconds: float, then: Then) -> None:
        """Compute for so long, and then go on."""
        self._wanting.append((seconds, then))
        if not self._taken:
            self._next()

    def _next(self) -> None:
        if not self._wanting:
            self._taken = False
            return
        self._taken = True
        seconds, then = self._wanting.popleft()
        turn_s = min(seconds, SLICE_S) if self._wanting else seconds
        if seconds > SLICE_S:
            turn_s = min(turn_s, SLICE_S)  # somebody may come meanwhile
        self.busy_s += turn_s
        self._clock.after(turn_s, lambda: self._turned(seconds - turn_s, then))

    def _turned(self, left_s: float, then: Then) -> None:
        if left_s > 1e-9:
            self._wanting.append((left_s, then))
            self._next()
            return
        self._next()  # before what follows: a thread that goes on stands behind those that wait
        then()


class Cpus:
    """All CPUs of an application."""

    def __init__(self, numbers: Sequence[int], clock: Clock) -> None:
        self.all = {number: Cpu(number, clock) for number in numbers}

    def work(self, allowed: Sequence[int], seconds: float, then: Then) -> None:
        """Compute on the one of the allowed CPUs that the fewest want."""
        cpus = [self.all[number] for number in allowed if number in self.all] or list(self.all.values())
        min(cpus, key=lambda cpu: cpu.load).work(seconds, then)


class Slots:
    """Places of one accelerator."""

    def __init__(self, count: int, clock: Clock) -> None:
        self.count = max(1, count)
        self.busy_s = 0.0
        self._free = self.count
        self._clock = clock
        self._waiting: deque[tuple[float, Then]] = deque()

    def work(self, seconds: float, then: Then) -> None:
        """Take a place for so long, once one is free."""
        self._waiting.append((seconds, then))
        self._next()

    def _next(self) -> None:
        while self._free and self._waiting:
            seconds, then = self._waiting.popleft()
            self._free -= 1
            self.busy_s += seconds
            self._clock.after(seconds, lambda then=then: self._done(then))  # type: ignore[misc]

    def _done(self, then: Then) -> None:
        self._free += 1
        self._next()
        then()
