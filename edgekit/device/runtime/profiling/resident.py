"""What the kernel says of this process: memory, and the CPU time of each of its threads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """Memory of this process, now. Source: Linux, proc_pid_status(5)."""

    own_bytes: int
    """Anonymous and shared (`RssAnon`, `RssShmem`)."""
    file_bytes: int
    """`RssFile`."""


def resident(proc: Path = PROC) -> Resident:
    """Read it; all zero where the kernel does not tell."""
    found = {"RssAnon": 0, "RssShmem": 0, "RssFile": 0}
    with suppress(OSError, ValueError, IndexError):
        for line in (proc / "self/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in found:
                found[name] = int(value.split()[0]) << 10
    return Resident(own_bytes=found["RssAnon"] + found["RssShmem"], file_bytes=found["RssFile"])


def cpu_by_thread(proc: Path = PROC) -> dict[int, float]:
    """CPU seconds of each thread so far. Source: Linux, Documentation/scheduler/sched-stats.rst."""
    used: dict[int, float] = {}
    with suppress(OSError):
        for task in (proc / "self/task").iterdir():
            with suppress(OSError, ValueError, IndexError):  # it may just have ended
                used[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return used
