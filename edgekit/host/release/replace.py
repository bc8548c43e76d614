"""Puts a finished folder in another's place in one step, synced before it has its name."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.host.own_folder import own_folder

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""Source: renameat2(2), linux/fcntl.h and linux/fs.h."""
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def folder_beside(out: Path) -> Iterator[Path]:
    """A folder of one's own on the same file system, for making what goes to `out`; removed at the end.

    Its name is `.edgekit-NAME-...`.

    Raises:
        OSError: it cannot be made.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with own_folder(out.parent, f".edgekit-{out.name}-") as folder:
        yield folder


def replace_folder(made: Path, out: Path) -> None:
    """Give a finished folder its name. At every moment `out` is the whole old folder or the whole new one.

    Args:
        made: the folder; where `out` was there, it holds the old one afterwards.
        out: the name, on the same file system.

    Raises:
        OSError: it cannot be renamed; `out` is as it was.
    """
    _sync(made)
    if not out.exists():
        made.rename(out)
    elif not _exchanged(made, out):
        before = made.with_name(f"{made.name}.before")
        out.rename(before)
        try:
            made.rename(out)
        except OSError:
            before.rename(out)
            raise
    _sync(out.parent)


def _exchanged(made: Path, out: Path) -> bool:
    """Swap two folders in one step; False where this file system cannot.

    Raises:
        OSError: any other failure.
    """
    done = _LIBC.renameat2(_AT_FDCWD, os.fsencode(made), _AT_FDCWD, os.fsencode(out), _RENAME_EXCHANGE)
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(out))


def _sync(folder: Path) -> None:
    """Have the file system write what it holds back: one call instead of one for each of a thousand files.

    Source: syncfs(2).
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _LIBC.syncfs(handle)
    finally:
        os.close(handle)
