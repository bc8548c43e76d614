"""Files on this machine's disk: written whole, synced, measured and removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def write_whole(file: Path, content: bytes) -> None:
    """Write a file aside and rename it: nobody sees half of it. Raises OSError."""
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".aside-", delete=False) as aside:
        try:
            aside.write(content)
            aside.close()
            Path(aside.name).replace(file)
        except OSError:
            Path(aside.name).unlink(missing_ok=True)
            raise


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
    """Bytes of a file, or of all files below a folder; a file that has other names elsewhere does not count."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size if os.path.lexists(path) else 0
    files = [Path(parent, name).lstat() for parent, _, names in os.walk(path) for name in names]
    return sum(file.st_size for file in files if file.st_nlink == 1)


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
