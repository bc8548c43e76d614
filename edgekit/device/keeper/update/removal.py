"""Folders are taken apart piece by piece, and the power may go after any piece: whoever calls this has renamed the
folder first, to a name that is believed to be nothing, and synced that."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem


def take_apart(disk: Filesystem, folder: Path) -> None:
    """Remove a folder, or what there is of it.

    A worker may have filled it, and another one of the same user may still put links in the way: nothing outside is
    touched, and no depth of folders is too much. A folder inside gives its own folders to the outermost one before it
    goes, so that there is never more than one level below.

    Raises:
        OSError: something does not go; the rest of it may be gone.
    """
    if folder.is_symlink() or not folder.is_dir():
        disk.remove(folder)
        return
    with _opened(folder) as top:
        count = 0
        while names := disk.names(top):
            for name in names:
                count = _take_out(disk, folder, top, name, count)
    disk.remove_folder(folder)


def _take_out(disk: Filesystem, folder: Path, top: int, name: str, count: int) -> int:
    """Remove an entry of the outermost folder; its own folders come to lie beside it, under numbers from `count`."""
    path = folder / name
    if not _is_folder(name, top):
        disk.remove_within(path, top)
        return count
    with _opened(name, top) as inner:
        for below in disk.names(inner):
            if _is_folder(below, inner):
                while _is_there(f".{count}", top):  # of a removal that was cut
                    count += 1
                disk.rename_within(path / below, folder / f".{count}", inner, top)
            else:
                disk.remove_within(path / below, inner)
    disk.remove_folder_within(path, top)
    return count


@contextmanager
def _opened(folder: Path | str, within: int | None = None) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        yield fd
    finally:
        os.close(fd)


def _is_folder(name: str, within: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)


def _is_there(name: str, within: int) -> bool:
    try:
        os.stat(name, dir_fd=within, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
