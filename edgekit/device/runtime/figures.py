"""What a worker measures of itself. Each object has one writer; the main thread reads."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histograms' buckets; a last one without a bound follows."""
WINDOW_S = 5.0
_WINDOW_FRAMES = 10_000


class Histogram:
    """How often a time fell into each bucket. Written by one thread."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one time."""
        self.buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A lane's thread is inside a stage."""

    stage: str
    since_s: float


class LaneFigures:
    """One lane. Written by its thread."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.tid = 0
        self.busy_s = 0.0
        self.call: Call | None = None
        self.stages: dict[str, Histogram] = {}
        self.dropped: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        """By stage."""
        self._clock = clock

    def begin(self, stage: str) -> None:
        """The lane enters a stage."""
        self.call = Call(stage=stage, since_s=self._clock())

    def end(self) -> None:
        """The lane has left the stage that it entered last, whatever came of it."""
        if self.call is not None:
            seconds = self._clock() - self.call.since_s
            self.busy_s += seconds
            self.stages.setdefault(self.call.stage, Histogram()).add(seconds)
            self.call = None

    def drop(self, cause: str, stage: str) -> None:
        """An item ended in this stage."""
        self.dropped[cause] = self.dropped.get(cause, 0) + 1
        if cause == "error":
            self.errors[stage] = self.errors.get(stage, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The last seconds."""

    fps: float
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class Outcome:
    """What left the pipeline. Written by the last lane."""

    frames: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    score: dict[str, float] = field(default_factory=dict)
    latency: Histogram = field(default_factory=Histogram)
    _recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_WINDOW_FRAMES))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def finish(self, now_s: float, latency_s: float, counts: dict[str, int]) -> None:
        """A frame reached the end."""
        with self._lock:
            self._recent.append((now_s, latency_s))
        self.frames += 1
        self.counts = counts
        self.latency.add(latency_s)

    def window(self, now_s: float, since_s: float) -> Window:
        """Rate and latency over the last `WINDOW_S`, or since `since_s` where that is shorter."""
        with self._lock:
            recent = list(self._recent)
        full = len(recent) == _WINDOW_FRAMES
        begin_s = max(now_s - WINDOW_S, since_s, recent[0][0] if full else since_s)
        latencies = sorted(latency_s for at_s, latency_s in recent if at_s >= begin_s)
        if not latencies:
            return Window(fps=0.0, p50_ms=0.0, p99_ms=0.0)
        return Window(
            fps=len(latencies) / max(now_s - begin_s, 1e-3),
            p50_ms=quantile(latencies, 0.5) * 1e3,
            p99_ms=quantile(latencies, 0.99) * 1e3,
        )


def quantile(ascending: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    return ascending[max(0, -int(-share * len(ascending) // 1) - 1)]
