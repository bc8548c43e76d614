"""Who uses the cache at the moment: commands enter themselves, so that what they use is not thrown away."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edgekit.host.disk import remove
from edgekit.host.locking import locked_at_once

_FOLDER = ".users"


@contextlib.contextmanager
def using(cache_dir: Path, clock: Callable[[], float] = time.time) -> Iterator[None]:
    """Keep what this command takes from the cache from being thrown away, until the block ends.

    A file that is locked while the command lives says since when it runs; the lock ends with the process, however that
    ends. A cache that cannot be written is used all the same: nobody can empty it either.

    Args:
        cache_dir: the user's cache folder.
        clock: seconds since the epoch.
    """
    folder = cache_dir / _FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _enter(folder, clock)
    except OSError:
        yield
        return
    path, lock = file
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _enter(folder: Path, clock: Callable[[], float]) -> tuple[Path, int]:
    """Make and lock a file of our own; once more where `oldest_use_s` removed it before it was locked."""
    while True:
        lock, name = tempfile.mkstemp(dir=folder)
        path = Path(name)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.utime(path, times=(clock(), clock()))
        except FileNotFoundError:
            os.close(lock)
        else:
            return path, lock


def oldest_use_s(cache_dir: Path) -> float | None:
    """Since when the longest running command uses the cache, in seconds since the epoch; None where nobody does."""
    began = []
    for path in (cache_dir / _FOLDER).glob("*"):
        try:
            with locked_at_once(path):
                remove(path)  # its command was killed
        except (BlockingIOError, PermissionError):
            with contextlib.suppress(FileNotFoundError):
                began.append(path.stat().st_mtime)
        except OSError:  # none of ours, or gone meanwhile
            remove(path)
    return min(began, default=None)
