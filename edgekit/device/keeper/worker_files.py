"""Opening what a worker may have written. It is believed nothing.

The keeper may read everything on the board, so each file is opened by its name in an opened folder, never through a
link, and has no other name: a worker could lay a link to somebody else's file there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def opened(name: str, flags: int, folder: int | None = None) -> Iterator[int]:
    """A descriptor, for as long as the block runs.

    Args:
        name: in `folder`, or a path without one.
        flags: `FILE` or `FOLDER`.
        folder: an opened folder.

    Raises:
        OSError: it is not there, or a link.
    """
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def plain_size(status: os.stat_result) -> int | None:
    """Bytes of a plain file with one name; None: it is something else."""
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else None
