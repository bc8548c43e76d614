"""How a worker ended, and what the kernel says of it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.device.keeper.process.kernel_files import table_of
from edgekit.errors import Cause
from edgekit.schema.message import NewerWord
from edgekit.schema.report import Report

_MEANING: dict[int, str] = {signal.SIGXCPU: ": a realtime lane computed for too long and never waited"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """Why a worker ended, in words."""

    reason: str
    out_of_memory: bool = False
    cause: Cause | NewerWord = ""
    """What lies behind it, where that is known."""
    report: Report | None = None
    """The last one."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """`ran_s`, `memory_peak_bytes`, `memory_max_bytes`."""


def signal_name(number: int) -> str:
    """A signal for people, with what it means where that is not plain."""
    try:
        return signal.Signals(number).name + _MEANING.get(number, "")
    except ValueError:
        return f"signal {number}"


def oom_kills(proc: Path) -> int:
    """Processes that the kernel has ended for want of memory since the boot, anywhere on the board.

    It is 0 before Linux 4.13. Where a worker has no cgroup of its own it says whose SIGKILL that was.
    Source: Linux, mm/vmstat.c, oom_kill.
    """
    return table_of(proc / "vmstat").get("oom_kill", 0)
