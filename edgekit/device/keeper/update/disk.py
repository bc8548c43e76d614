"""Every file operation that must survive a power cut, one method each.

The keeper's durable steps all go through a `Disk`, so that a test can cut the power between any two of them.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import RolloutError
from edgekit.schema.units import format_bytes


class Disk:
    """The real one."""

    def write(self, path: Path, data: bytes) -> None:
        """Write a file's content; not durable before `sync_file`."""
        with path.open("wb") as file:
            file.write(data)

    def extend(self, path: Path, offset: int, data: bytes) -> None:
        """Write a piece of a file, which ends with it then; not durable before `sync_file`."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb", buffering=0) as file:
            if file.seek(0, os.SEEK_END) != offset:  # a cut to nothing makes ext4 write the file out at its close
                file.truncate(offset)
                file.seek(offset)
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def sync_file(self, path: Path) -> None:
        """Make a file's content durable."""
        self._sync(path, os.O_RDONLY)

    def sync_folder(self, path: Path) -> None:
        """Make a folder's entries durable: renames and links in it."""
        self._sync(path, os.O_RDONLY | os.O_DIRECTORY)

    def sync_all(self) -> None:
        """Make everything durable: for a tree, one call in place of one per file and folder."""
        os.sync()

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder its name, at once; durable with the folder."""
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        os.link(source, target)

    def make_folder(self, path: Path) -> None:
        """Make a folder in one that is there, durably; there twice is there once."""
        if not path.is_dir():
            path.mkdir()
            self.sync_folder(path.parent)

    def remove(self, path: Path) -> None:
        """Remove a file that may be gone already."""
        path.unlink(missing_ok=True)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder, or what there is of it."""
        if path.exists():
            shutil.rmtree(path)

    def free_bytes(self, path: Path) -> int:
        """What may still be written beside `path`."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def replace(self, path: Path, data: bytes) -> None:
        """Put a whole file in place of the old one: after a power cut it is exactly the old or exactly the new one."""
        aside = path.with_name(path.name + ".tmp")
        try:
            self.write(aside, data)
            self.sync_file(aside)
            self.rename(aside, path)
        except OSError:
            self.remove(aside)
            raise
        self.sync_folder(path.parent)

    @contextmanager
    def explain_full(self, folder: Path, needed_bytes: int) -> Iterator[None]:
        """Turn a full disk into a sentence.

        Raises:
            RolloutError: the disk is full; the block has undone what it began.
        """
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise disk_full(needed_bytes, self.free_bytes(folder)) from error

    def _sync(self, path: Path, flags: int) -> None:
        fd = os.open(path, flags | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def disk_full(needed_bytes: int, free_bytes: int) -> RolloutError:
    """The error that every full disk ends in."""
    return RolloutError(
        f"disk full: needs {format_bytes(needed_bytes)}, free {format_bytes(free_bytes)}",
        hint="free space on the device and deploy again: what arrived whole is kept",
    )
