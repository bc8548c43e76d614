"""Who uses the cache: what builds shares it with others, and what empties it has it alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgekit.errors import LockHeld

_LOCK = "in-use.lock"


@contextlib.contextmanager
def using(cache_dir: Path) -> Iterator[None]:
    """Keep others from emptying the cache meanwhile; waits while somebody does. A read-only cache is left as it is."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(cache_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def emptying(cache_dir: Path) -> Iterator[None]:
    """Have the cache alone.

    Raises:
        LockHeld: a build goes on.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    with (cache_dir / _LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "when edgekit build, wheel build and board up have ended: the same command again"
            raise LockHeld(f"another command uses what is in {cache_dir}", hint=hint) from None
        yield


def remove_all(paths: Iterable[Path]) -> int:
    """Remove files and folders of a cache.

    Returns:
        Bytes that were freed.
    """
    return sum(_remove(path) for path in paths)


def _remove(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        size = path.lstat().st_size
        path.unlink(missing_ok=True)
        return size
    files = [file.lstat() for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    shutil.rmtree(path, ignore_errors=True)
    return sum(file.st_size for file in files if file.st_nlink == 1)
