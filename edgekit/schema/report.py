"""What a worker tells its keeper, about once a second, as one JSON line on the pipe that it inherits.

The pipe's file descriptor number is in the environment variable `EDGEKIT_REPORT_FD`. It is one end of a stream socket
pair: when the keeper is gone the worker reads end-of-file there and stops by itself, so no orphan is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MAX_REPORT_BYTES = 1 << 20
REPORT_FD_VARIABLE = "EDGEKIT_REPORT_FD"

Phase = Literal["starting", "golden", "running", "stopping", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReport:
    """One lane since the last report."""

    name: str
    tid: int
    """Kernel thread id, for /proc/<pid>/task/<tid>."""
    cpus: tuple[int, ...]
    """Affinity that the thread really has."""
    busy_ratio: float
    queue: int
    dropped: dict[str, int]
    """Since the start, by cause: `drop_oldest`, `drop_newest`, `error`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One worker, now."""

    phase: Phase
    message: str = ""
    """What it is doing, or why it failed."""
    uptime_s: float = 0.0
    frames: int = 0
    """Frames that reached the sinks since the start."""
    errors: int = 0
    fps: float = 0.0
    """Over the last 5 s at most."""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    """Capture to sink, over the last 5 s at most."""
    golden: str = ""
    """`passed`, `failed: ...` with the values, or empty where the recipe has none."""
    counts: dict[str, int] = field(default_factory=dict)
    """The application's own counts, `colour class -> n`."""
    score: dict[str, float] = field(default_factory=dict)
    """Of the last full pass over the clip: `expected`, `counted`, `wrong`, `passes`."""
    lanes: tuple[LaneReport, ...] = ()
    metrics: str = ""
    """The worker's figures in Prometheus's text format."""
