"""What the kernel says of processes of this machine: whether one lives, since when, and in which session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_STATE, _SESSION, _STARTED = 0, 3, 19
"""Counted from the third field on, which follows the program's name. Source: proc_pid_stat(5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStat:
    """One process now."""

    ended: bool
    """It is a zombie: its parent has not asked for its exit code yet."""
    session: int
    started: str
    """In clock ticks since boot. Together with the process id and the boot it means one process for ever."""


def process_stat(pid: int, *, proc: Path = _PROC) -> ProcessStat | None:
    """Look at a process; None where there is none.

    Args:
        pid: the process.
        proc: where processes are listed.
    """
    try:
        fields = (proc / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
        return ProcessStat(ended=fields[_STATE] in ("Z", "X"), session=int(fields[_SESSION]), started=fields[_STARTED])
    except (OSError, IndexError, ValueError):
        return None


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    found = process_stat(pid)
    return found is not None and not found.ended
