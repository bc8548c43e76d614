"""Decides when a worker is told how its memory stands. Pure: no clock, no files.

A worker in no trouble is told nothing. Once it is tight it is told again and again, as its ladder moves with what it
hears, and goes on hearing until it has everything back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from edgekit.schema.order import MemoryReading
from edgekit.schema.plan import WorkerPlan

TIGHT_S, AFTER_S = 0.05, 0.25
"""How often it is told: while memory is tight, and after that."""
_LINGER_S = 60.0
"""So long it is told after it was tight, whatever its reports say: one that starts reports late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """In bytes."""

    begin: int
    end: int
    limit: int

    def reading(self, used_bytes: int, *, stalled: bool, now_s: float) -> MemoryReading:
        """What a worker that uses so much now is told."""
        return MemoryReading(
            used_bytes=used_bytes,
            begin_bytes=self.begin,
            end_bytes=self.end,
            limit_bytes=self.limit,
            read_s=now_s,
            stalled=stalled,
        )


def thresholds_of(plan: WorkerPlan) -> Thresholds | None:
    """Those of a plan; None where it has no limit, or nothing to give up."""
    most = plan.limits.memory_max
    brake = min(plan.limits.memory_high or most, most)
    if not brake or not plan.pressure.order:
        return None
    return Thresholds(begin=int(brake * plan.pressure.begin), end=int(brake * plan.pressure.end), limit=most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What was seen of one worker."""

    thresholds: Thresholds
    tight_s: float = -inf
    """When it was tight last."""
    told_s: float = -inf

    def wants_exact(self, roughly_bytes: int, *, stalled: bool, degraded: bool, now_s: float) -> bool:
        """Whether it has to be known exactly what is used: of a worker that is far from its limits it need not."""
        return stalled or roughly_bytes >= self.thresholds.begin or self._goes_on(now_s, degraded=degraded)

    def see(
        self, used_bytes: int, *, stalled: bool, degraded: bool, now_s: float
    ) -> tuple[Gauge, MemoryReading | None]:
        """What follows from a look.

        Args:
            used_bytes: without what the kernel can take back at once.
            stalled: whether the worker had to wait for memory since the last look.
            degraded: whether it does without something now, as it reports.
            now_s: monotonic.

        Returns:
            What it is to be told, if anything.
        """
        tight = stalled or used_bytes >= self.thresholds.begin
        here = replace(self, tight_s=now_s) if tight else self
        due_s = self.told_s + (TIGHT_S if tight else AFTER_S)
        if now_s < due_s or not (tight or here._goes_on(now_s, degraded=degraded)):
            return here, None
        return replace(here, told_s=now_s), here.thresholds.reading(used_bytes, stalled=stalled, now_s=now_s)

    def _goes_on(self, now_s: float, *, degraded: bool) -> bool:
        return degraded or now_s - self.tight_s < _LINGER_S
