"""The QEMU processes of boards: which are ours, how they are, and how they are ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import EdgekitError, Unreachable
from edgekit.executor.local import stop
from edgekit.host.board.login import answers
from edgekit.host.board.ownership import runs
from edgekit.host.board.qmp import Qmp
from edgekit.host.board.records import BoardRecord, BoardRecords, State

_PROC = Path("/proc")


class BoardProcesses:
    """QEMU processes, by board."""

    def __init__(self, records: BoardRecords, proc: Path = _PROC) -> None:
        self._records = records
        self._proc = proc

    def state(self, name: str, record: BoardRecord) -> State:
        """How a board is."""
        if not self._is_ours(name, record.pid):
            return "dead"
        try:
            with Qmp(self._socket(name), wait_s=1, answer_s=5) as qmp:
                if qmp("query-status")["status"] == "paused":
                    return "paused"
        except (Unreachable, EdgekitError):
            return "hung"
        return "running" if answers(record.port) else "hung"

    def cut_power(self, name: str) -> None:
        """End a board's machine at once. Raises Unreachable where it is dead."""
        stop(self._alive(name).pid, grace_s=0)

    @contextmanager
    def control(self, name: str) -> Iterator[Qmp]:
        """QEMU's control socket. Raises Unreachable where the board is dead."""
        self._alive(name)
        with Qmp(self._socket(name), wait_s=5) as qmp:
            yield qmp

    def end(self, name: str) -> int:
        """End every QEMU of a board, also one that no record names any more; return how many."""
        found = [int(process.name) for process in self._proc.glob("[0-9]*")]
        ours = [pid for pid in found if self._is_ours(name, pid)]
        for pid in ours:
            stop(pid, grace_s=0)
        return len(ours)

    def _alive(self, name: str) -> BoardRecord:
        record = self._records.read(name)
        if not self._is_ours(name, record.pid):
            raise Unreachable(f"board {name} is dead", hint=f"edgekit board up --name {name}")
        return record

    def _is_ours(self, name: str, pid: int) -> bool:
        """Whether a process is this board's QEMU, whatever its record says."""
        return runs(pid, "qemu-system-", b"\0-qmp\0unix:" + os.fsencode(self._socket(name)) + b",", proc=self._proc)

    def _socket(self, name: str) -> Path:
        return self._records.folder(name) / "qmp.sock"
