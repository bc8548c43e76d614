"""What the kernel says of this process: memory, and the CPU time of each of its threads."""

from __future__ import annotations

import os
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


class CpuWait:
    """How long the calling thread has waited for a CPU. Source: Linux, sched-stats.rst, /proc/<pid>/schedstat."""

    def __init__(self, proc: Path = PROC) -> None:
        """Open nothing yet: a thread's own file is the one that it opens itself."""
        self._proc, self._fd = proc, -1

    def __call__(self) -> float | None:
        """Seconds; None where the kernel does not tell."""
        try:
            if self._fd < 0:
                self._fd = os.open(self._proc / "thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
            return int(os.pread(self._fd, 128, 0).split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return None

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def cpu_by_thread(proc: Path = PROC) -> dict[int, float]:
    """CPU seconds of each thread so far. Source: Linux, Documentation/scheduler/sched-stats.rst."""
    used: dict[int, float] = {}
    with suppress(OSError):
        for task in (proc / "self/task").iterdir():
            with suppress(OSError, ValueError, IndexError):  # it may just have ended
                used[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return used
