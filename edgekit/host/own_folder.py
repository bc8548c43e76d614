"""Folders that a command makes for itself and removes; what killed commands have left is removed by the next one.

A lock tells that a folder's maker is alive. Source: flock(2); it ends with the process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNLOCKED_S = 60.0
"""A folder younger than this may belong to somebody who has not locked it yet."""


@contextmanager
def own_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder, removed at the end; others with this prefix whose maker was killed are removed before.

    Args:
        parent: where it is made.
        prefix: begins its name, and the names of no other folders than those made here.

    Raises:
        OSError: it cannot be made.
    """
    for left in parent.iterdir():
        with suppress(OSError):
            if not left.name.startswith(prefix):
                continue
            status = left.lstat()
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > _UNLOCKED_S:
                with _locked(left):
                    shutil.rmtree(left)
    made = tempfile.TemporaryDirectory(dir=parent, prefix=prefix, ignore_cleanup_errors=True)
    with made, _locked(Path(made.name)):
        yield Path(made.name)


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder of one's own where this machine keeps temporary files. See `own_folder`."""
    with own_folder(Path(tempfile.gettempdir()), prefix) as folder:
        yield folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock.

    Raises:
        OSError: another holds it, or it is no folder.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
