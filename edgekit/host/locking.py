"""Locks between processes on this machine: the system lets go of one when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

from edgekit.host.disk import remove


@contextlib.contextmanager
def locked(file: Path, waiting: Callable[[], AbstractContextManager[None]] = nullcontext) -> Iterator[None]:
    """Hold a lock, alone. Others wait for it.

    Args:
        file: is locked. It is made where it is not there, and removed afterwards.
        waiting: entered while somebody else holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with _opened(file) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with waiting():
                    fcntl.flock(lock, fcntl.LOCK_EX)
            if not _still_there(file, os.fstat(lock.fileno())):
                continue  # its holder removed it: whoever comes now locks another
            try:
                yield
            finally:
                file.unlink(missing_ok=True)
            return


@contextlib.contextmanager
def locked_at_once(file: Path) -> Iterator[None]:
    """Hold the lock of a file that is there.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: the file is gone.
    """
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextlib.contextmanager
def shared(file: Path) -> Iterator[None]:
    """Hold a lock together with others who share it. The file stays. Raises OSError where it cannot be made."""
    with _opened(file) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def against_sharers(file: Path) -> Iterator[None]:
    """Wait until nobody shares a lock, and hold it. The file stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with _opened(file) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _opened(file: Path) -> IO[bytes]:
    """Open a lock, made where it is not there. What lies in its place and cannot be one, a folder or link, goes."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe's is a lock like another
    if file.is_symlink() or file.is_dir():
        remove(file)
    return os.fdopen(os.open(file, flags, 0o666), "r+b", buffering=0)


def _still_there(file: Path, opened: os.stat_result) -> bool:
    try:
        return file.stat().st_ino == opened.st_ino
    except FileNotFoundError:
        return False
