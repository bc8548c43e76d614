"""What a worker tells its keeper, about once a second, as one JSON line on the pipe that it inherits.

The pipe's file descriptor number is in the environment variable `EDGEKIT_REPORT_FD`. It is one end of a stream socket
pair: when the keeper is gone the worker reads end-of-file there and stops by itself, so no orphan is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgekit.schema.bounds import Between

MAX_REPORT_BYTES = 1 << 20
REPORT_FD_VARIABLE = "EDGEKIT_REPORT_FD"

Count = Annotated[int, Between(0, (1 << 63) - 1)]
Amount = Annotated[float, Between(0, 1e18)]
"""Numbers come from a worker, whatever it is: what a keeper adds, compares and prints has bounds."""

Phase = Literal["starting", "golden", "running", "stopping", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReport:
    """One lane since the last report."""

    name: str
    tid: Count
    """Kernel thread id, for /proc/<pid>/task/<tid>."""
    cpus: tuple[Count, ...]
    """Affinity that the thread really has."""
    busy_ratio: Amount
    queue: Count
    dropped: dict[str, Count]
    """Since the start, by cause: `drop_oldest`, `drop_newest`, `error`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One worker, now."""

    phase: Phase
    message: str = ""
    """What it is doing, or why it failed."""
    uptime_s: Amount = 0.0
    frames: Count = 0
    """Frames that reached the sinks since the start."""
    errors: Count = 0
    fps: Amount = 0.0
    """Over the last 5 s at most."""
    p50_ms: Amount = 0.0
    p99_ms: Amount = 0.0
    """Capture to sink, over the last 5 s at most."""
    golden: str = ""
    """`passed`, `failed: ...` with the values, or empty where the recipe has none."""
    counts: dict[str, Count] = field(default_factory=dict)
    """The application's own counts, `colour class -> n`."""
    score: dict[str, Amount] = field(default_factory=dict)
    """Of the last full pass over the clip: `expected`, `counted`, `wrong`, `passes`."""
    lanes: tuple[LaneReport, ...] = ()
    metrics: str = ""
    """The worker's figures in Prometheus's text format."""
