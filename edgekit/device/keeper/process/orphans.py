"""A worker whose keeper was killed: found again by process id and start time, and ended.

A worker ends by itself when its keeper is gone (its report socket says so). This is for one that does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.schema.report import REPORT_FD_VARIABLE

_GONE_S = 5.0
_SESSION, _STARTED = 3, 19


class Orphans:
    """The note about the running worker, and what is done about it after a bad end."""

    def __init__(self, note: Path, *, proc: Path = Path("/proc"), sleep: Callable[[float], None] = time.sleep) -> None:
        self._note = note
        self._proc = proc
        self._sleep = sleep

    def record(self, pid: int) -> None:
        """Note a worker that runs now."""
        fields = self._stat(pid)
        if fields:
            self._note.write_text(json.dumps({"pid": pid, "started": fields[_STARTED], "boot": self._boot()}))

    def forget(self) -> None:
        """The noted worker has ended."""
        self._note.unlink(missing_ok=True)

    def end(self) -> int:
        """Kill what is left of the noted worker: itself, or what it started, in its session.

        Returns:
            How many processes that were.
        """
        noted = self._noted()
        self.forget()
        killed: set[int] = set()
        for _ in range(int(_GONE_S / 0.05) if noted else 0):
            left = self._session(noted)
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            killed |= left
            self._sleep(0.05)
        return len(killed)

    def _noted(self) -> int:
        """The noted process id where it still means the worker, else 0."""
        try:
            noted = json.loads(self._note.read_text())
            pid, started, boot = int(noted["pid"]), noted["started"], noted["boot"]
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return pid if pid > 1 and boot == self._boot() and self._started(pid) in ("", started) else 0

    def _session(self, leader: int) -> set[int]:
        """Processes of a worker's session: the kernel gives its number to nobody else while one is left."""
        found = set()
        for entry in self._proc.iterdir():
            if entry.name.isdigit() and self._stat(int(entry.name))[_SESSION : _SESSION + 1] == [str(leader)]:
                with contextlib.suppress(OSError):
                    if f"{REPORT_FD_VARIABLE}=".encode() in (entry / "environ").read_bytes():
                        found.add(int(entry.name))
        return found

    def _boot(self) -> str:
        try:
            return (self._proc / "sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""

    def _started(self, pid: int) -> str:
        """Start time in clock ticks since boot, empty where it has ended."""
        fields = self._stat(pid)
        return "" if not fields or fields[0] in "ZX" else fields[_STARTED]

    def _stat(self, pid: int) -> list[str]:
        """The fields from the third on. Source: proc_pid_stat(5)."""
        try:
            return (self._proc / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            return []
