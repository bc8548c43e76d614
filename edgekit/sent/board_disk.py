"""Files on a device, changed so that a power cut leaves the old or the new one. Its text is sent with others'.

Python 3.10 and newer, standard library alone.
"""

from __future__ import annotations

import contextlib
import os


class BoardDisk:
    """One method for each call of the kernel, so that a test can cut the power between any two; two put together."""

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Write a file; not durable before `sync_file`."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)

    def symlink(self, path: str, to: str) -> None:
        """Make a symbolic link; durable with its folder."""
        os.symlink(to, path)

    def rename(self, source: str, target: str) -> None:
        """Give a file or link its name, at once; durable with its folder."""
        os.rename(source, target)

    def remove(self, path: str) -> None:
        """Remove a file or link that may be gone already."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def sync_file(self, path: str) -> None:
        """Make a file's content durable."""
        self._sync(path, os.O_RDONLY)

    def sync_folder(self, path: str) -> None:
        """Make renames in a folder durable."""
        self._sync(path, os.O_RDONLY | os.O_DIRECTORY)

    def put_file(self, path: str, content: bytes, mode: int) -> None:
        """Write aside, sync, rename, sync the folder."""
        aside = f"{path}.new"
        try:
            self.write(aside, content, mode)
            self.sync_file(aside)
            self.rename(aside, path)
        except OSError:
            self.remove(aside)
            raise
        self.sync_folder(os.path.dirname(path))

    def put_link(self, path: str, to: str) -> None:
        """Switch a symbolic link at once."""
        aside = f"{path}.new"
        self.remove(aside)
        self.symlink(aside, to)
        self.rename(aside, path)
        self.sync_folder(os.path.dirname(path))

    def _sync(self, path: str, flags: int) -> None:
        fd = os.open(path, flags)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
