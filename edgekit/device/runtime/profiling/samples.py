"""Every single time that a thread of a pipeline was at work, where the usual figures have histograms."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.profiling.resident import CpuWait
from edgekit.device.runtime.streams import PipelineFigures, quantile
from edgekit.schema.profile import SHARES, Cost, Spread
from edgekit.stage import Frame

_MOST = 100_000
LEAST_CALLS = 8
"""Fewer tell nothing of others like them."""


class Sample(NamedTuple):
    """One call of a stage."""

    wall_s: float
    cpu_s: float
    queued_s: float | None = None
    """What it waited for a CPU; None where the kernel does not tell."""
    met: bool = False
    """Whether another thread was inside a call meanwhile."""
    began_s: float = 0.0
    """By the same clock."""
    before_s: float = 0.0
    """What the thread waited for a CPU since its call before; 0 where the kernel does not tell."""
    beside: bool = False
    """Whether another thread was inside a call when it began."""

    @property
    def pause_s(self) -> float:
        """What it neither computed nor waited for a CPU: it waited for the interpreter's lock, a device, a file."""
        return 0.0 if self.queued_s is None else max(0.0, self.wall_s - self.cpu_s - self.queued_s)


class SampledFigures(LaneFigures):
    """One thread's work, kept call by call. Written by it alone; others read once it has ended."""

    def __init__(
        self,
        name: str,
        clock: Callable[[], float],
        cpu_clock: Callable[[], float] = time.thread_time,
        queued: Callable[[], float | None] | None = None,
        company: list[SampledFigures] | None = None,
    ) -> None:
        """Nothing yet.

        Args:
            name: the thread's.
            clock: monotonic seconds.
            cpu_clock: the calling thread's CPU time in seconds.
            queued: how long it has waited for a CPU, in seconds; None: as the kernel says.
            company: all threads of the pipeline; this one joins them.
        """
        super().__init__(name, clock)
        self.samples: dict[str, deque[Sample]] = {}
        self.calls = 0
        """Begun so far."""
        self._cpu_clock, self._began_cpu_s = cpu_clock, 0.0
        self._queued = queued or CpuWait()
        self._began_queued_s: float | None = None
        self._ended_queued_s: float | None = None
        self._company = [] if company is None else company
        self._company.append(self)
        self._before_s, self._beside, self._others = 0.0, False, 0

    def begin(self, stage: str) -> None:
        """See `LaneFigures.begin`."""
        self.calls += 1
        self._beside = any(one.call is not None for one in self._company if one is not self)
        self._others = self._calls_of_others()
        queued_s, ended_s = self._queued(), self._ended_queued_s
        self._began_queued_s = queued_s
        self._before_s = 0.0 if queued_s is None or ended_s is None else queued_s - ended_s
        super().begin(stage)
        self._began_cpu_s = self._cpu_clock()

    def end(self) -> None:
        """See `LaneFigures.end`."""
        cpu_s, call = self._cpu_clock() - self._began_cpu_s, self.call
        if call is not None:
            stage, since_s = call
            wall_s, before_s, after_s = self._clock() - since_s, self._began_queued_s, self._queued()
            queued_s = None if before_s is None or after_s is None else after_s - before_s
            met = self._beside or self._calls_of_others() != self._others
            sample = Sample(wall_s, cpu_s, queued_s, met, since_s, self._before_s, self._beside)
            self._ended_queued_s = after_s
            self.samples.setdefault(stage, deque(maxlen=_MOST)).append(sample)
        super().end()

    def _calls_of_others(self) -> int:
        return sum(one.calls for one in self._company) - self.calls


class ArrivalFigures(PipelineFigures):
    """What left a pipeline, with the latency of each frame at its first sink."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.latencies_s: deque[float] = deque(maxlen=_MOST)
        self._last: dict[str, int] = {}

    def arrive(self, frame: Frame) -> None:
        """See `PipelineFigures.arrive`."""
        if frame.sequence > self._last.get(frame.stream, -1):
            self._last[frame.stream] = frame.sequence
            self.latencies_s.append(self._clock() - frame.captured_s)
        super().arrive(frame)


def cost_of(samples: Iterable[Sample], *, waits: bool) -> Cost:
    """What calls cost, of at least one.

    Args:
        samples: the calls.
        waits: whether what is no CPU time was spent on an accelerator; else a neighbour took the CPU.
    """
    some = list(samples)
    wall, cpu = sorted(one.wall_s for one in some), sorted(one.cpu_s for one in some)
    pauses = sorted(0.0 if waits else one.pause_s for one in some)
    wait_s = max(0.0, quantile(wall, 0.5) - quantile(cpu, 0.5)) if waits else 0.0
    return Cost(
        count=len(some),
        p50_ms=_ms(quantile(wall, 0.5)),
        p95_ms=_ms(quantile(wall, 0.95)),
        cpu_p50_ms=_ms(quantile(cpu, 0.5)),
        cpu_p95_ms=_ms(quantile(cpu, 0.95)),
        wait_ms=_ms(wait_s),
        spread_ms=spread_of(cpu),
        pause_ms=spread_of(pauses),
    )


def spread_of(ascending_s: list[float]) -> Spread:
    """The distribution of at least one time in seconds."""
    return tuple(_ms(quantile(ascending_s, share)) for share in SHARES)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 4)
