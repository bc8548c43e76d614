"""What the keeper says of an application's worker, as part of `control.ApplicationStatus`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.schema.memory import ByteCount, Count
from edgekit.schema.message import NewerWord


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a board lets its keeper take away from workers."""

    lacks: tuple[str, ...] = ()
    """What it cannot, each with the reason; none: all that edgekit knows of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """The worker process and its cgroup."""

    pid: Count
    """0 where none runs."""
    state: Literal["stopped", "starting", "running", "backoff"] | NewerWord
    restarts: Count
    last_exit: str
    """`exited with code 3`, `killed by SIGSEGV`, `out of memory: ...`, or empty."""
    oom_kills: Count
    memory_current: ByteCount
    memory_peak: ByteCount
    memory_max: ByteCount
    cpuset_cpus: str
    limits: Literal["enforced", "advisory", "none"] | NewerWord
    limits_note: str
    """Why limits are advisory, or empty."""
    preview: bool = False
    """Whether it shows pictures."""
    work_bytes: ByteCount = 0
    """What its folder took on disk at the last look."""
    work_max: ByteCount = 0
    """What it may take; 0 from a keeper that does not look."""
    work_held: bool = False
    """Whether the disk itself lets it take no more."""
    unconfined: tuple[str, ...] = ()
    """What this board could not take away from it, each with the reason."""
