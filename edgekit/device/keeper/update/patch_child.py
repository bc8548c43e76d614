"""The child that applies patches, as the keeper sees it: it may hang, die or lie, and then files travel whole."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from edgekit.device.keeper.patching.program import DONE
from edgekit.errors import EdgekitError
from edgekit.executor.child import Child, Starter

JOB_S = 300.0
"""How long one patch may take: its largest base read, and its largest output written, on a slow card."""
_TURN_S = 600.0


class Applies(Protocol):
    """Applies one patch after the other."""

    def apply(self, base: int, patch: int, output: int, *, base_bytes: int, size_bytes: int) -> bool:
        """Have a patch's output written to `output`, from descriptors that stay the caller's.

        Returns:
            Whether somebody says that it is done: the digest tells.
        """


class PatchStarter:
    """Starts the child, one at a time on the whole board: that bounds their memory."""

    def __init__(self, program: Path, start: Starter, *, job_s: float = JOB_S) -> None:
        """Use the child that `program`, the keeper's zip, holds as a verb."""
        self._program = program
        self._start = start
        self._job_s = job_s
        self._turn = threading.Lock()

    @contextmanager
    def running(self, most_bytes: int, turn_s: float = _TURN_S) -> Iterator[Applies]:
        """A child for as long as the block runs; where none can be had, one that applies nothing.

        Args:
            most_bytes: what an output may have at most.
            turn_s: how long another deployment's patches are waited for.
        """
        if not self._turn.acquire(timeout=turn_s):
            yield PatchChild(None, None, self._job_s)
            return
        try:
            made = self._make(most_bytes)
            try:
                yield made
            finally:
                made.close()
        finally:
            self._turn.release()

    def _make(self, most_bytes: int) -> PatchChild:
        try:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return PatchChild(None, None, self._job_s)
        with its:
            argv = [sys.executable, "-I", "-S", str(self._program), "patch", str(its.fileno()), str(most_bytes)]
            try:
                child = self._start(argv, env={"PATH": "/usr/bin:/bin"}, cwd="/", inherit=(its.fileno(),))
            except (EdgekitError, OSError):
                ours.close()
                return PatchChild(None, None, self._job_s)
        return PatchChild(child, ours, self._job_s)


class PatchChild:
    """One child. It is given up when it does not answer."""

    def __init__(self, child: Child | None, line: socket.socket | None, job_s: float) -> None:
        self._child = child
        self._line = line
        if line is not None:
            line.settimeout(job_s)

    def apply(self, base: int, patch: int, output: int, *, base_bytes: int, size_bytes: int) -> bool:
        """See `Applies.apply`."""
        if self._line is None:
            return False
        try:
            socket.send_fds(self._line, [f"{base_bytes} {size_bytes}".encode()], [base, patch, output])
            answer = self._line.recv(1)
        except OSError:
            answer = b""
        if not answer:
            self.close()
        return answer == DONE

    def close(self) -> None:
        """End it."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._child is not None:
            self._child.kill()
            self._child.reap()
            self._child = None


@contextmanager
def opened(path: Path | str) -> Iterator[int]:
    """A file's descriptor for reading.

    Raises:
        OSError: it cannot be opened, or is a link.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)


@contextmanager
def in_memory(content: bytes = b"") -> Iterator[int]:
    """A file that no disk has, read from its beginning."""
    fd = os.memfd_create("patch", os.MFD_CLOEXEC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
