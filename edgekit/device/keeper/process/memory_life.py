"""One worker's memory over its life. The keeper's memory thread looks at it again and again; any thread may ask."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.keeper.process.growth import SampleRing, growth
from edgekit.device.keeper.process.memory_files import kept_bytes
from edgekit.schema.memory import MemoryGrowth

_EVERY_S, _MOST = 5.0, 720
"""Of samples: an hour of them at first, and at most twice as far apart each time that this is full."""


class MemoryLife:
    """Of one process, from its start to its end."""

    def __init__(self, leaf: Path | None, process: Path) -> None:
        """Take no sample yet.

        Args:
            leaf: its cgroup; None where limits are advisory.
            process: its folder in /proc.
        """
        self._leaf, self._process = leaf, process
        self._ring = SampleRing(_EVERY_S, _MOST)

    def look(self, now_s: float) -> None:
        """Take a sample where one is due."""
        if self._ring.is_due(now_s):
            used = kept_bytes(self._leaf, self._process)
            if used:  # else it is just beginning, or gone
                self._ring.add(now_s, used)

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
