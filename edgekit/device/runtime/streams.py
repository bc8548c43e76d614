"""What left the pipeline, by stream: frames, latency, failures, state. Written by several lanes, read for reports."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from edgekit.device.runtime.figures import Histogram, PressureFigures, SinkFigures
from edgekit.device.runtime.frames.stream import (
    Entry,
    StreamEnded,
    StreamGap,
    StreamLost,
    StreamRestarted,
    StreamStarted,
)
from edgekit.device.runtime.server.figures import ServingFigures
from edgekit.errors import Cause
from edgekit.schema.report import StreamState
from edgekit.stage import Frame, StreamInfo

WINDOW_S = 5.0
"""Rates and latencies are over this time at most."""
ERRORS_WINDOW_S = 60
_WINDOW_FRAMES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The last seconds."""

    fps: float
    p50_ms: float
    p99_ms: float


class SecondsCount:
    """How many frames passed and how many failed in each of the last 60 seconds."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int, int]] = deque(maxlen=ERRORS_WINDOW_S)
        """Second, passed, failed."""

    def add(self, now_s: float, *, passed: int = 0, failed: int = 0) -> None:
        """Count frames."""
        second = int(now_s)
        if self._seconds and self._seconds[-1][0] == second:
            _, before_passed, before_failed = self._seconds.pop()
            passed, failed = passed + before_passed, failed + before_failed
        self._seconds.append((second, passed, failed))

    def within(self, now_s: float) -> tuple[int, int]:
        """Passed and failed, of the window that ends now."""
        last = [one for one in self._seconds if one[0] > int(now_s) - ERRORS_WINDOW_S]
        return sum(one[1] for one in last), sum(one[2] for one in last)


class StreamFigures:
    """One stream."""

    def __init__(self, name: str, clock: Callable[[], float], most_fps: float | None = None) -> None:
        self.name = name
        self._most_fps = most_fps
        self.info: StreamInfo | None = None
        """None until its source knows."""
        self.state: StreamState = "connecting"
        self.since_s = self.began_s = clock()
        self.message = ""
        self.cause: Cause = ""
        self.passes = 0
        """How often its clip began again."""
        self.reconnects = 0
        """How often it came back after it was lost."""
        self.frames = 0
        self.errors = 0
        """Frames that a stage failed on."""
        self.counts: dict[str, int] = {}
        self.latency = Histogram()
        self._seconds = SecondsCount()
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque(maxlen=_WINDOW_FRAMES)
        self._last = -1

    @property
    def wanted_fps(self) -> float:
        """What should come: what its source says, or what is let through of it; 0 where nobody says."""
        stated = self.info.fps if self.info else 0.0
        return min(stated or self._most_fps or 0.0, self._most_fps or stated)

    def turn(self, state: StreamState, message: str = "", cause: Cause = "") -> None:
        """The stream is in another state, or in the same one for another reason."""
        if state != self.state:
            self.since_s = self._clock()
        self.state, self.message, self.cause = state, message, cause

    def note(self, entry: Entry) -> None:
        """Its source gives this."""
        match entry:
            case StreamStarted(info=info) | StreamRestarted(info=info):
                self.info = info
                if isinstance(entry, StreamRestarted):
                    self.passes += entry.again == "pass"
                    self.reconnects += entry.again == "reconnect"
                self.turn("live")
            case StreamLost(state=state, reason=reason, cause=cause):
                self.turn(state, reason, cause)
            case StreamEnded(reason=reason, failed=failed, cause=cause):
                self.turn("failed" if failed else "ended", reason, cause)
            case StreamGap() | Frame():
                pass

    def arrive(self, frame: Frame) -> None:
        """A sink has taken a frame; of several sinks the first one counts."""
        now_s = self._clock()
        with self._lock:
            if frame.sequence <= self._last:
                return
            self._last = frame.sequence
            self._recent.append((now_s, now_s - frame.captured_s))
            while self._recent[0][0] < now_s - WINDOW_S:
                self._recent.popleft()
            self._seconds.add(now_s, passed=1)
            self.latency.add(now_s - frame.captured_s)
            self.frames += 1
            self.counts = frame.counts

    def fail(self) -> None:
        """A stage failed on a frame."""
        with self._lock:
            self._seconds.add(self._clock(), failed=1)
            self.errors += 1

    def judged(self, now_s: float) -> tuple[int, int]:
        """Frames of the last minute that passed, and that a stage failed on."""
        with self._lock:
            return self._seconds.within(now_s)

    def recent(self) -> tuple[list[float], float]:
        """Latencies of the last `WINDOW_S`, and how many seconds these are: fewer soon after the start."""
        now_s = self._clock()
        with self._lock:
            recent = list(self._recent)
        full = len(recent) == _WINDOW_FRAMES
        begin_s = max(now_s - WINDOW_S, self.began_s, recent[0][0] if full else self.began_s)
        return [latency_s for at_s, latency_s in recent if at_s >= begin_s], max(now_s - begin_s, 1e-3)


class PipelineFigures:
    """All streams of one pipeline, and what its sinks found."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.streams: dict[str, StreamFigures] = {}
        self.scores: dict[str, dict[str, float]] = {}
        """By score sink."""
        self.pressure = PressureFigures()
        self.sinks: dict[str, SinkFigures] = {}
        """Of sinks that send results elsewhere."""
        self.serving: ServingFigures | None = None
        """Of models that are reached from outside; None: none is."""
        self.began_s = clock()
        self._clock = clock
        self._arrived_s = self.began_s

    def add(self, name: str, info: StreamInfo | None, most_fps: float | None = None) -> None:
        """One stream more, before the lanes start, with what is known of it already and its `max_fps`."""
        self.streams[name] = StreamFigures(name, self._clock, most_fps)
        self.streams[name].info = info

    def arrive(self, frame: Frame) -> None:
        """A sink has taken a frame."""
        self._arrived_s = self._clock()
        self.streams[frame.stream].arrive(frame)

    @property
    def frames(self) -> int:
        """That reached the sinks."""
        return sum(stream.frames for stream in self.streams.values())

    @property
    def errors(self) -> int:
        """Frames that a stage failed on."""
        return sum(stream.errors for stream in self.streams.values())

    @property
    def counts(self) -> dict[str, int]:
        """The application's counts, added up over its streams."""
        return _added(stream.counts for stream in self.streams.values())

    @property
    def score(self) -> dict[str, float]:
        """Of all score sinks together."""
        return _added(list(self.scores.values()))

    def error_ratio(self) -> float:
        """Of the frames of the last minute: those that a stage failed on."""
        now_s = self._clock()
        pairs = [stream.judged(now_s) for stream in self.streams.values()]
        passed, failed = sum(one[0] for one in pairs), sum(one[1] for one in pairs)
        return failed / max(1, passed + failed)

    def idle_s(self, under_way: Collection[str]) -> float:
        """Since a frame last reached a sink, while there were some to come: a camera that is away makes nobody idle.

        Args:
            under_way: streams whose last frame has not gone through.
        """
        begun = [
            stream.since_s
            for stream in self.streams.values()
            if stream.state == "live" or (stream.state in ("ended", "failed") and stream.name in under_way)
        ]
        if not begun:
            return 0.0
        latest_s = max(self._arrived_s, min(begun))  # before the clock: a frame may arrive meanwhile
        return self._clock() - latest_s

    def window(self) -> Window:
        """All streams together: rates added up, latencies of every frame."""
        return window_of(stream.recent() for stream in self.streams.values())


def window_of(recents: Iterable[tuple[list[float], float]]) -> Window:
    """Rate and latency of what `StreamFigures.recent` gave for some streams."""
    fps, latencies = 0.0, list[float]()
    for some, seconds in recents:
        fps += len(some) / seconds
        latencies += some
    if not latencies:
        return Window(fps=0.0, p50_ms=0.0, p99_ms=0.0)
    latencies.sort()
    return Window(fps=fps, p50_ms=quantile(latencies, 0.5) * 1e3, p99_ms=quantile(latencies, 0.99) * 1e3)


def quantile(ascending: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    return ascending[max(0, -int(-share * len(ascending) // 1) - 1)]


def _added(tables: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for table in tables:
        for name, number in table.items():
            total[name] = total.get(name, 0) + number
    return total
