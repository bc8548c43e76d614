"""Workers whose keeper was killed: found again by process id and start time, and ended.

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

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.process.kernel_files import boot_name
from edgekit.executor.processes import process_stat
from edgekit.schema.report import REPORT_FD_VARIABLE

_GONE_S = 5.0


class Orphans:
    """One note per application about its running worker, and what is done about those after a bad end."""

    def __init__(
        self,
        notes: Path,
        disk: Filesystem,
        *,
        proc: Path = Path("/proc"),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._notes = notes
        self._disk = disk
        self._proc = proc
        self._sleep = sleep

    def record(self, application: str, pid: int) -> str:
        """Note a worker that runs now.

        Returns:
            Why that was not possible, or empty. The worker runs all the same.
        """
        found = process_stat(pid, proc=self._proc)
        if found:
            note = json.dumps({"pid": pid, "started": found.started, "boot": boot_name(self._proc)})
            try:
                self._disk.write(self._note(application), note.encode())
            except OSError as error:
                return str(error)
        return ""

    def forget(self, application: str) -> None:
        """The noted worker has ended."""
        with contextlib.suppress(OSError):
            self._disk.remove(self._note(application))

    def end(self) -> int:
        """Kill what is left of the noted workers: themselves, or what they started, in their sessions.

        Returns:
            How many processes that were.
        """
        return sum(self._end(note) for note in sorted(self._notes.glob("*.json")))

    def _note(self, application: str) -> Path:
        return self._notes / f"{application}.json"

    def _end(self, note: Path) -> int:
        noted = self._noted(note)
        self._disk.remove(note)
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

    def _noted(self, note: Path) -> int:
        """The noted process id where it still means the worker, else 0."""
        try:
            noted = json.loads(note.read_text())
            pid, started, boot = int(noted["pid"]), noted["started"], noted["boot"]
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return pid if pid > 1 and boot == boot_name(self._proc) and self._started(pid) in ("", started) else 0

    def _session(self, leader: int) -> set[int]:
        """Processes of a worker's session: the kernel gives its number to nobody else while one is left."""
        found = set()
        for entry in self._proc.iterdir():
            stat = process_stat(int(entry.name), proc=self._proc) if entry.name.isdigit() else None
            if stat and stat.session == leader:
                with contextlib.suppress(OSError):
                    if f"{REPORT_FD_VARIABLE}=".encode() in (entry / "environ").read_bytes():
                        found.add(int(entry.name))
        return found

    def _started(self, pid: int) -> str:
        """Start time in clock ticks since boot, empty where it has ended."""
        found = process_stat(pid, proc=self._proc)
        return "" if found is None or found.ended else found.started
