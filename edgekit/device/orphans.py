"""A worker whose keeper was killed: found again by process id and start time, and ended.

A worker ends by itself when its keeper is gone (its report socket says so). This is for one that does not.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

_GONE_S = 5.0


class Orphans:
    """The note about the running worker, and what is done about it after a bad end."""

    def __init__(self, note: Path, *, proc: Path = Path("/proc"), sleep: Callable[[float], None] = time.sleep) -> None:
        self._note = note
        self._proc = proc
        self._sleep = sleep

    def record(self, pid: int) -> None:
        """Note a worker that runs now."""
        started = self._started(pid)
        if started:
            self._note.write_text(json.dumps({"pid": pid, "started": started, "boot": self._boot()}))

    def forget(self) -> None:
        """The noted worker has ended."""
        self._note.unlink(missing_ok=True)

    def end(self) -> int:
        """Kill the noted worker's process group if it is still the same process.

        Returns:
            Its process id, or 0 where there is none.
        """
        try:
            noted = json.loads(self._note.read_text())
            pid, started, boot = int(noted["pid"]), noted["started"], noted["boot"]
        except (OSError, ValueError, KeyError, TypeError):
            pid, started, boot = 0, "", ""
        self.forget()
        if pid <= 1 or boot != self._boot() or not started or self._started(pid) != started:
            return 0
        for _ in range(int(_GONE_S / 0.05)):
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                break
            if self._started(pid) != started:
                break
            self._sleep(0.05)
        return pid

    def _boot(self) -> str:
        try:
            return (self._proc / "sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""

    def _started(self, pid: int) -> str:
        """Start time in clock ticks since boot, empty where it has ended. Source: proc_pid_stat(5), fields 3, 22."""
        try:
            fields = (self._proc / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            return ""
        return "" if fields[0] in "ZX" else fields[19]
