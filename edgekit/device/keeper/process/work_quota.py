"""Ends a worker whose folder takes more than its quota, by a thread of its own: a disk may be slow, or hang.

The kernel is asked to keep it within that too (`project_quota`), which few boards' disks can: none of the images has
quotas switched on. What is written between two looks is bounded by the disk's free space, looked at each second.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.device.keeper.process.cgroup import Leaf
from edgekit.device.keeper.process.project_quota import keep_within
from edgekit.device.keeper.process.work_folder import MAX_DEPTH, MAX_FILES, FolderUse, measure, nameless_bytes
from edgekit.schema.units import format_bytes

_LOOK_S, _MEASURE_S = 1.0, 30.0
_LEAST_STEP_BYTES = 1 << 20
_NEARLY_FULL = 64
"""A folder that the kernel keeps is full where less than this part of it is left."""
_SHARE = 20
"""Measuring takes a twentieth of the time at most."""


class WorkRoom:
    """What one application's folder may take, over all lives of its workers.

    A release that finds the folder beyond its quota, as one does that another one is rolled back to, may run and add
    little; the one that filled it is ended whenever it has.
    """

    def __init__(self) -> None:
        self._borne: FolderUse | None = None
        self._filled_by = ""

    def allowed_bytes(self, digest: str, work_max: int) -> int:
        """What the folder may take while a release runs: a little more than is there, where it did not fill it."""
        borne = self._borne
        if borne is None or self._filled_by == digest:
            return work_max
        return max(work_max, borne.bytes + (work_max >> 4))

    def judge(self, digest: str, use: FolderUse, work_max: int, *, first: bool) -> str:
        """Why a release's worker is to be ended, or empty; `first` is what it found when it was started."""
        if use.bytes <= work_max and use.files <= MAX_FILES and not use.deeper:
            self._borne, self._filled_by = None, ""
            return ""
        if self._borne is None or (first and self._filled_by not in ("", digest)):
            self._borne, self._filled_by = use, "" if first else digest
        reason = self._beyond(digest, use, work_max)
        if reason:
            self._filled_by = digest
        return reason

    def _beyond(self, digest: str, use: FolderUse, work_max: int) -> str:
        borne, its_own = self._borne, self._filled_by == digest
        assert borne is not None
        allowed_files = MAX_FILES if its_own else max(MAX_FILES, borne.files + (MAX_FILES >> 4))
        if use.bytes > self.allowed_bytes(digest, work_max):
            return f"its folder takes {format_bytes(use.bytes)} on disk, work_max is {format_bytes(work_max)}"
        if use.files > allowed_files:
            return f"its folder holds more than {MAX_FILES} files"
        if use.deeper and (its_own or not borne.deeper):
            return f"its folder has more than {MAX_DEPTH} folders inside each other"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedWorker:
    """Whose folder is watched."""

    digest: str
    work: Path
    work_max: int
    pid: int
    leaf: Leaf | None
    proc: Path

    def use(self) -> FolderUse:
        """What its folder takes, with files that have no name any more. Raises OSError."""
        found = measure(self.work)
        pids = self.leaf.pids() if self.leaf else (self.pid,)
        return replace(found, bytes=found.bytes + nameless_bytes(self.work, pids, self.proc))


class WorkWatch:
    """One worker's folder, for as long as it lives. `fd` can be read when there is a verdict."""

    def __init__(self, worker: WatchedWorker, room: WorkRoom) -> None:
        """Look from now on. Raises OSError or RuntimeError where no descriptors, or no thread, are to be had."""
        self._worker = worker
        self._room = room
        self._over = threading.Event()
        self.fd, self._told = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.used_bytes = 0
        """At the last look."""
        self.looked = False
        self.kernel_keeps = False
        """Whether the disk itself keeps it within its size."""
        self._reason = ""
        self.running = True
        """Whether it looks on; it does not where the folder cannot be read."""
        self._looks_again = False
        self._thread = threading.Thread(target=self._watch, name="work", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            os.close(self.fd)
            os.close(self._told)
            raise

    def verdict(self) -> str:
        """Why the worker is to be ended, once; empty before that."""
        if not self.running:
            return ""
        with suppress(BlockingIOError):
            self.running = bool(os.read(self.fd, 1))
            return self._reason
        return ""

    def close(self, *, last_look_s: float = 0.0) -> str:
        """Look no more. A thread that a disk holds ends when the disk lets it go.

        Args:
            last_look_s: wait so long at most for one more look. A worker that fills its folder may fail of that itself,
                at its largest file or a full disk, before anybody has seen it.

        Returns:
            Why the worker was to be ended; empty: it was not, as far as was seen.
        """
        self.running, self._looks_again = False, last_look_s > 0
        self._over.set()
        self._thread.join(last_look_s)
        self._looks_again = False
        os.close(self.fd)
        return self._reason

    def _watch(self) -> None:
        try:
            self._look_on()
            if self._looks_again and self.looked and not self._reason:
                self._look(first=False)
        except OSError:  # the folder is gone, or its disk
            return
        finally:
            os.close(self._told)

    def _look_on(self) -> None:
        next_s, free, first = 0.0, 0, True
        while True:
            began_s, now_free = time.monotonic(), _free_bytes(self._worker.work)
            if began_s >= next_s or free - now_free >= self._step_bytes():
                self._look(first=first)
                if self._reason:
                    os.write(self._told, b"!")
                    return
                took_s = time.monotonic() - began_s
                next_s, free, first = began_s + took_s + max(_MEASURE_S, _SHARE * took_s), now_free, False
                if self._over.wait(_SHARE * took_s):
                    return
            if self._over.wait(_LOOK_S):
                return

    def _look(self, *, first: bool) -> None:
        use = self._worker.use()
        if self._over.is_set() and not self._looks_again:
            return
        self.used_bytes, self.looked = use.bytes, True
        digest, work_max = self._worker.digest, self._worker.work_max
        self._reason = self._room.judge(digest, use, work_max, first=first)
        allowed = self._room.allowed_bytes(digest, work_max)
        if first and not self._reason:
            self.kernel_keeps = keep_within(self._worker.work, allowed)
        elif self._over.is_set() and self.kernel_keeps and not self._reason:
            self._reason = _full(use.bytes, allowed)

    def _step_bytes(self) -> int:
        """How much less room on the disk makes it worth a look: half of what the folder may still take."""
        return max(_LEAST_STEP_BYTES, (self._worker.work_max - self.used_bytes) // 2)


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bfree * found.f_frsize


def _full(used: int, allowed: int) -> str:
    """Why a worker may have ended in a folder that the kernel keeps; empty where it had room."""
    if used <= allowed - allowed // _NEARLY_FULL:
        return ""
    return f"its folder is full: {format_bytes(used)} of {format_bytes(allowed)} on disk (work_max)"
