"""Which step is next when memory is tight, or no more. Pure: no clock, no pipeline, only what was seen and when.

Rungs are taken from the first to the last, and given back from the last to the first. Between `end` and `begin` nothing
changes: that is the hysteresis. Steps down come at once, then every `DOWN_S`, or every `URGENT_S` where half of what is
left is gone. Steps up come when it has been well for `calm_s`, every `UP_S`. Who had to go down again soon after a step
up waits twice as long the next time: a load that lies between two rungs would make it swing for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from edgekit.schema.order import MemoryReading
from edgekit.schema.pressure import Relief

DOWN_S, URGENT_S, UP_S = 0.5, 0.1, 0.5
CALM_S, MOST_CALM_S = 2.0, 30.0
RELAPSE_S = 10.0
"""Down again so soon after a step up: that one came too early."""


class Rung(NamedTuple):
    """One step."""

    relief: Relief
    stream: str = ""
    """Of `shed`: which stream."""
    share: float = 1.0
    """Of `fps`: how much of its rate a stream keeps."""

    def __str__(self) -> str:
        """As people see it."""
        if self.relief == "fps":
            return f"fps 1/{round(1 / self.share)}" if self.share else "fps 1"
        return f"{self.relief} {self.stream}".strip()


class LadderStep(NamedTuple):
    """A rung is taken, or given back."""

    rung: Rung
    down: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Where a worker stands."""

    rungs: tuple[Rung, ...]
    taken: int = 0
    """So many of them are, from the first on."""
    changed_s: float = -inf
    """When the last step was."""
    up_s: float = -inf
    """When the last step up was."""
    well_since_s: float | None = None
    """Since when readings are below `end`."""
    calm_s: float = CALM_S
    """How long it has to be well before anything is given back."""

    def see(self, reading: MemoryReading, now_s: float) -> tuple[Ladder, LadderStep | None]:
        """What follows from a reading; times never run back."""
        if reading.stalled or reading.used_bytes >= reading.begin_bytes:
            return self._tight(reading, now_s)
        if reading.used_bytes >= reading.end_bytes:
            return replace(self, well_since_s=None), None
        return self._well(now_s)

    def _tight(self, reading: MemoryReading, now_s: float) -> tuple[Ladder, LadderStep | None]:
        middle = (reading.begin_bytes + reading.limit_bytes) / 2
        pause_s = URGENT_S if reading.used_bytes >= middle else DOWN_S
        here = replace(self, well_since_s=None)
        if self.taken >= len(self.rungs) or now_s - self.changed_s < pause_s:
            return here, None
        relapsed = now_s - self.up_s < RELAPSE_S
        calm_s = min(MOST_CALM_S, 2 * self.calm_s) if relapsed else self.calm_s
        down = replace(here, taken=self.taken + 1, changed_s=now_s, up_s=-inf, calm_s=calm_s)
        return down, LadderStep(self.rungs[self.taken], down=True)

    def _well(self, now_s: float) -> tuple[Ladder, LadderStep | None]:
        since_s = now_s if self.well_since_s is None else self.well_since_s
        here = replace(self, well_since_s=since_s)
        if not self.taken:
            settled = now_s - max(since_s, self.changed_s) >= MOST_CALM_S
            return (replace(here, calm_s=CALM_S) if settled else here), None
        if now_s - since_s < self.calm_s or now_s - self.changed_s < UP_S:
            return here, None
        up = replace(here, taken=self.taken - 1, changed_s=now_s, up_s=now_s)
        return up, LadderStep(self.rungs[self.taken - 1], down=False)


def rungs_of(order: tuple[Relief, ...], streams: list[tuple[str, int]]) -> tuple[Rung, ...]:
    """The rungs of an order.

    Args:
        order: what may be given up.
        streams: each with its priority, in the recipe's order. Of equals the last one is shed first, and the first
            one of the highest priority never is.
    """
    found: list[Rung] = []
    for relief in order:
        match relief:
            case "fps":
                found += (Rung("fps", share=share) for share in (0.5, 0.25, 0.0))
            case "shed":
                places = sorted(range(len(streams)), key=lambda place: (streams[place][1], -place))
                found += (Rung("shed", stream=streams[place][0]) for place in places[:-1])
            case _:
                found.append(Rung(relief))
    return tuple(found)
