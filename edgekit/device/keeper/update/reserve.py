"""Room on disk for the one file that a roll-back must write, whatever a worker has filled.

A file of its own size is kept beside the store. Where the disk is full, the state is written over it, in the blocks
that it has, and it takes the state's name: nobody can take that room away meanwhile, as freed room could be.
"""

from __future__ import annotations

from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem

RESERVE_BYTES = 256 << 10


class DiskReserve:
    """The file; the keeper makes it when it starts, and anew once it was spent and there is room."""

    def __init__(self, disk: Filesystem, path: Path) -> None:
        self._disk = disk
        self._path = path
        self._spent = False

    def keep(self) -> None:
        """Have it. A disk that has no room for it now may have some the next time."""
        try:
            if self._is_whole():
                return
            self._disk.remove(self._path)
            self._disk.extend(self._path, 0, bytes(RESERVE_BYTES))
        except OSError:
            return
        self._spent = False

    def renew(self) -> None:
        """Have it again, where it was spent."""
        if self._spent:
            self.keep()

    def replace(self, path: Path, data: bytes) -> bool:
        """Put a whole file in place of another one, as `Filesystem.replace` does, in the reserve's room.

        Returns:
            Whether it is there; False where there is no reserve, or the disk fails otherwise.
        """
        if len(data) > RESERVE_BYTES or not self._is_whole():
            return False
        try:
            self._disk.overwrite(self._path, data)
            self._disk.sync_file(self._path)
            self._disk.rename(self._path, path)
            self._spent = True
            self._disk.sync_folder(path.parent)
            self._disk.sync_folder(self._path.parent)
        except OSError:
            return False
        return True

    def _is_whole(self) -> bool:
        """Whether it is a file of its own: one that a power cut left with two names is a state already."""
        try:
            found = self._path.lstat()
        except OSError:
            return False
        return found.st_size == RESERVE_BYTES and found.st_nlink == 1
