"""What a worker measures of its threads. Each object has one writer; others read."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histograms' buckets; a last one without a bound follows."""


class Histogram:
    """How often a time fell into each bucket. Written by one thread."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one time."""
        self.buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds


Call: TypeAlias = tuple[str, float]
"""A lane's thread is inside this stage, since this time. A plain tuple: one is made for each frame and stage."""


class HoldsBytes(Protocol):
    """Keeps something in memory."""

    @property
    def bytes(self) -> int:
        """How much, now."""


class SinkFigures:
    """What a sink that sends elsewhere has sent, and what waits. Written by its thread."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why nothing can be sent, or kept; empty where all is well."""
        self.sent = self.waiting = self.waiting_bytes = self.dropped = 0
        self.held: Mapping[str, HoldsBytes] = {}
        """What it keeps of each stream."""


class TakesSteps(Protocol):
    """Records what threads do."""

    def step(self, began_s: float, took_s: float, thread: str, step: str) -> None:
        """A thread was inside a stage, a sink or a decoder."""


class LaneFigures:
    """One thread's work. Written by it alone."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.busy_s = 0.0
        self.call: Call | None = None
        self.stages: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.drops: dict[tuple[str, str, str], int] = {}
        """Frames that ended here, by stream, place and cause."""
        self.recorder: TakesSteps | None = None
        """Is told of each stage's time, while there is one."""
        self._clock = clock

    def begin(self, stage: str) -> None:
        """The thread enters a stage."""
        self.call = (stage, self._clock())

    def end(self) -> None:
        """The thread has left the stage that it entered last, whatever came of it."""
        call = self.call
        if call is not None:
            stage, since_s = call
            seconds = self._clock() - since_s
            self.busy_s += seconds
            self.stages[stage].add(seconds)
            self.call = None
            if self.recorder is not None:
                self.recorder.step(since_s, seconds, self.name, stage)

    def drop(self, stream: str, place: str, cause: str) -> None:
        """A frame ended in this place, or a sink did not take it."""
        key = (stream, place, cause)
        self.drops[key] = self.drops.get(key, 0) + 1


class PressureFigures:
    """How the worker stands with its memory. Written by the thread that its keeper's orders come on."""

    def __init__(self) -> None:
        self.taken: tuple[str, ...] = ()
        """What it does without now."""
        self.cause = ""
        """Of the last step."""
        self.changed_s = 0.0
        """When that was."""
        self.steps: dict[str, int] = {}
        """How often something of each kind was given up."""
        self.used_bytes = self.limit_bytes = 0
