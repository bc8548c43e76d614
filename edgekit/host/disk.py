"""Files on this machine's disk: written whole, synced, measured and removed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_BLOCK_BYTES = 512
"""Source: stat(2), `st_blocks`."""
_MAY_HAVE_HOLES_BYTES = 1 << 20
"""Smaller files may lie in their directory's block and have none of their own."""


def write_whole(file: Path, content: bytes) -> None:
    """Write a file aside and rename it: nobody sees half of it. Its mode is any new file's. Raises OSError."""
    aside = file.with_name(f".aside-{os.urandom(8).hex()}")
    try:
        with aside.open("xb") as opened:
            opened.write(content)
        aside.replace(file)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def read_small(file: Path, most_bytes: int) -> bytes:
    """Read a file of our own, whatever has become of it: a pipe does not block, and what has no end is not read.

    Raises:
        OSError: it is not there, is no regular file, or is larger than that.
    """
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(file))
        if status.st_size > most_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(file))
        return opened.read(most_bytes)


def sync_all(folder: Path) -> None:
    """Have all files and folders below a folder reach the disk."""
    for parent, _, names in os.walk(folder):
        for name in names:
            file = Path(parent, name)
            if not file.is_symlink():
                sync(file)
        sync(Path(parent))


def sync(path: Path) -> None:
    """Have a file's content, or a folder's names, reach the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def size_of(path: Path) -> int:
    """Bytes that a file, or all files below a folder, take on the disk; one with several names counts once for all.

    Programs may remove files meanwhile.
    """
    if path.is_symlink() or not path.is_dir():
        return sum(_taken(status) for status in _statuses([path]))
    files = (Path(parent, name) for parent, _, names in os.walk(path) for name in names)
    return sum(_taken(status) for status in _statuses(files) if stat.S_ISREG(status.st_mode))


def _statuses(files: Iterable[Path]) -> Iterator[os.stat_result]:
    """Of those files that are there."""
    for file in files:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            yield file.lstat()


def _taken(status: os.stat_result) -> int:
    size = status.st_size
    if size > _MAY_HAVE_HOLES_BYTES:
        size = min(size, status.st_blocks * _BLOCK_BYTES)
    return size // max(1, status.st_nlink)  # none is left of a file that goes at that moment


def remove(path: Path) -> int:
    """Remove a file, or a folder with all that is in it.

    Returns:
        Bytes that were freed.
    """
    size = size_of(path)
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
    return size
