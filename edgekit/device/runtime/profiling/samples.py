"""Every single time that a thread of a pipeline was at work, where the usual figures have histograms."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.streams import PipelineFigures, quantile
from edgekit.schema.profile import SHARES, Cost
from edgekit.stage import Frame

_MOST = 100_000


class Sample(NamedTuple):
    """One call of a stage."""

    wall_s: float
    cpu_s: float


class SampledFigures(LaneFigures):
    """One thread's work, kept call by call. Written by it alone; others read once it has ended."""

    def __init__(
        self, name: str, clock: Callable[[], float], cpu_clock: Callable[[], float] = time.thread_time
    ) -> None:
        """Nothing yet; `cpu_clock` tells the calling thread's CPU time in seconds."""
        super().__init__(name, clock)
        self.samples: dict[str, deque[Sample]] = {}
        self._cpu_clock, self._began_cpu_s = cpu_clock, 0.0

    def begin(self, stage: str) -> None:
        """See `LaneFigures.begin`."""
        super().begin(stage)
        self._began_cpu_s = self._cpu_clock()

    def end(self) -> None:
        """See `LaneFigures.end`."""
        cpu_s, call = self._cpu_clock() - self._began_cpu_s, self.call
        if call is not None:
            stage, since_s = call
            sample = Sample(self._clock() - since_s, cpu_s)
            self.samples.setdefault(stage, deque(maxlen=_MOST)).append(sample)
        super().end()


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
    wait_s = max(0.0, quantile(wall, 0.5) - quantile(cpu, 0.5)) if waits else 0.0
    return Cost(
        count=len(some),
        p50_ms=_ms(quantile(wall, 0.5)),
        p95_ms=_ms(quantile(wall, 0.95)),
        cpu_p50_ms=_ms(quantile(cpu, 0.5)),
        cpu_p95_ms=_ms(quantile(cpu, 0.95)),
        wait_ms=_ms(wait_s),
        spread_ms=tuple(_ms(quantile(cpu, share)) for share in SHARES),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 4)
