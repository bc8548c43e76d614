"""Room on disk for the one file that a change of state must write, whatever a worker has filled.

A file of a certain size is kept beside the store. Where the disk is full, the state is written over it, in the blocks
that it has, and it takes the state's name: nobody can take that room away meanwhile, as freed room could be.
"""

from __future__ import annotations

from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem

RESERVE_BYTES = 256 << 10


class DiskReserve:
    """The file; the keeper makes it when it starts, and anew where it was spent: as large as there is room at once, and
    whole when there is more. What is left of it does for further states."""

    def __init__(self, disk: Filesystem, path: Path) -> None:
        self._disk = disk
        self._path = path
        self._spent = False

    def keep(self) -> None:
        """Have it. A disk that has no room for it now may have some the next time."""
        self._spent = True
        try:
            size = self._size()
            if not size:
                self._disk.remove(self._path)
            if size < RESERVE_BYTES:
                self._disk.extend(self._path, size, bytes(RESERVE_BYTES - size))
        except OSError:
            return
        self._spent = False

    def renew(self) -> None:
        """Have it again, where it was spent."""
        if self._spent:
            self.keep()

    def replace(self, path: Path, data: bytes) -> bool:
        """Put a whole file in place of another one, as `Filesystem.replace` does, in the reserve's room.

        The rest of that room is taken again at once, before anybody else does.

        Returns:
            Whether it is there; False where there is no reserve, or the disk fails otherwise.
        """
        if len(data) > self._size():
            return False
        try:
            self._disk.overwrite(self._path, data)
            self._disk.sync_file(self._path)
            self._disk.rename(self._path, path)
            self._disk.sync_folder(path.parent)
            self._disk.sync_folder(self._path.parent)
            self.keep()
        except OSError:
            return False
        return True

    def _size(self) -> int:
        """How large it is; 0 where it is no file of its own: one that a power cut left with two names is a state."""
        try:
            found = self._path.lstat()
        except OSError:
            return 0
        return found.st_size if found.st_nlink == 1 else 0
