"""One worker's memory over its life: the keeper's memory thread looks at it, and tells the worker when it is tight."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.process.cgroup import Leaf
from edgekit.device.keeper.process.growth import SampleRing, growth
from edgekit.device.keeper.process.memory_files import (
    group_charged_bytes,
    group_used_bytes,
    kept_bytes,
    process_used_bytes,
)
from edgekit.device.keeper.process.memory_gauge import Gauge, Thresholds
from edgekit.schema.memory import MemoryGrowth
from edgekit.schema.order import MemoryReading

_EVERY_S, _MOST = 5.0, 720
"""Of samples: an hour of them at first, and at most twice as far apart each time that this is full."""
_STALL_US, _WINDOW_US = 150_000, 1_000_000
"""Memory is tight, whatever is used, where some task waited for it for so long in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeContext:
    """Whose memory it is, and who wants to know."""

    leaf: Leaf | None
    """Its cgroup; None where limits are advisory."""
    process: Path
    """Its folder in /proc."""
    thresholds: Thresholds | None
    """None: it is never told anything."""
    tell: Callable[[MemoryReading], object]
    """Tells the worker."""
    degraded: Callable[[], bool]
    """Whether the worker does without something now."""


class MemoryLife:
    """Of one process, from its start to its end. One thread looks; any thread may ask, and end it."""

    def __init__(self, context: LifeContext) -> None:
        """Take no sample yet."""
        self._context = context
        self._ring = SampleRing(_EVERY_S, _MOST)
        self._gauge = Gauge(thresholds=context.thresholds) if context.thresholds else None
        self._lock = threading.Lock()
        """Held while descriptors are used, or closed."""
        leaf = context.leaf if self._gauge else None
        self._events = leaf.watch_events() if leaf else None
        self._stalls = leaf.watch_stalls(_STALL_US, _WINDOW_US) if leaf else None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those on which POLLPRI asks for a look at once."""
        return tuple(fd for fd in (self._events, self._stalls) if fd is not None)

    def look(self, now_s: float, told: frozenset[int] = frozenset()) -> None:
        """Take a sample where one is due, and tell the worker what it has to know.

        Args:
            now_s: monotonic.
            told: those `descriptors` on which POLLPRI came since the last look.
        """
        context = self._context
        if self._ring.is_due(now_s):
            used = kept_bytes(context.leaf.path if context.leaf else None, context.process)
            if used:  # else it is just beginning, or gone
                self._ring.add(now_s, used)
        if self._gauge is not None:
            self._weigh(self._gauge, now_s, stalled=self._stalls in told)

    def growth(self) -> MemoryGrowth | None:
        """How it grew; None before anything is known."""
        samples = self._ring.samples
        if not samples:
            return None
        found = growth(samples)
        return MemoryGrowth(
            per_hour_bytes=found.per_hour,
            bound_bytes=None if found.bound == float("inf") else found.bound,
            seconds=found.seconds,
            samples=found.n,
        )

    def close(self) -> None:
        """The process is gone."""
        with self._lock:
            for fd in self.descriptors:
                os.close(fd)
            self._events = self._stalls = self._gauge = None

    def _weigh(self, gauge: Gauge, now_s: float, *, stalled: bool) -> None:
        self._rearm()
        context, degraded = self._context, self._context.degraded()
        roughly = group_charged_bytes(context.leaf.path) if context.leaf else process_used_bytes(context.process)
        if not gauge.wants_exact(roughly, stalled=stalled, degraded=degraded, now_s=now_s):
            return
        used = min(roughly, group_used_bytes(context.leaf.path)) if context.leaf else roughly
        self._gauge, reading = gauge.see(used, stalled=stalled, degraded=degraded, now_s=now_s)
        if reading is not None:
            context.tell(reading)

    def _rearm(self) -> None:
        """Have the kernel tell of events again."""
        with self._lock:
            if self._events is not None:
                with contextlib.suppress(OSError):  # the cgroup is being removed
                    os.pread(self._events, 4096, 0)
