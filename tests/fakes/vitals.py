"""What the kernel says of a process. Source: proc_pid_status(5), proc_pid_stat(5)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def rss_mib(pid: int) -> float:
    """Resident memory: VmRSS."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def cpu_s(pid: int) -> float:
    """CPU time so far, of user and system: fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid: int) -> list[str]:
    """Their names, sorted."""
    found: list[str] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            found.append((task / "comm").read_text().strip())
    return sorted(found)


def descriptors(pid: int) -> int:
    """How many are open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
