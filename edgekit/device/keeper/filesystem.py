"""The one door through which the keeper changes files.

Everything that the keeper writes, renames, links, removes, or gives a mode or an owner goes through a `Filesystem`, one
method for each call of the kernel, and so does every listing of a folder whose order decides in which order things
change. A test can then record all calls, cut the power between any two of them, and lose what was not synced in all
the ways in which a disk may (tests/fakes/crashes.py). A write that does not come by here is one that no such proof has
seen: tests/fakes/write_guard.py fails on it.

There is no method that removes a folder with what is in it: that is many steps, and the power may go between any two.
Rename it first, sync, then take it apart: see `update/removal.py`.

Two kinds of files are not the keeper's: the kernel's own (cgroups, /proc), which no power cut can tear, and scratch
that other programs need and that means nothing afterwards (`trust`, `executor`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgekit.errors import RolloutError
from edgekit.schema.units import format_bytes

_PIECE_BYTES = 1 << 20


class Filesystem:
    """The real one. Every method raises OSError where the kernel refuses."""

    # Files

    def write(self, path: Path, data: bytes) -> None:
        """Write a file's content; not durable before `sync_file`."""
        with path.open("wb") as file:
            file.write(data)

    def extend(self, path: Path, offset: int, data: bytes) -> None:
        """Write a piece of a file, which ends with it then; not durable before `sync_file`.

        A file that is made by this can be read by the keeper alone.
        """
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.lseek(fd, 0, os.SEEK_END) != offset:  # a cut to nothing makes ext4 write the file out at its close
                os.ftruncate(fd, offset)
                os.lseek(fd, offset, os.SEEK_SET)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)

    def copy(self, source: Path, target: Path) -> None:
        """Write a file's content to another one, which the keeper alone can read; not durable before `sync_file`."""
        with source.open("rb") as file:
            self.extend(target, 0, b"")
            while piece := file.read(_PIECE_BYTES):
                self.extend(target, file.tell() - len(piece), piece)

    def overwrite(self, path: Path, data: bytes) -> None:
        """Write over a file that is there, in the room that it has, and cut it; not durable before `sync_file`."""
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            file.truncate(len(data))

    @contextmanager
    def lent(self, path: Path) -> Iterator[int]:
        """A file, empty at first, that the keeper alone can open, as a descriptor for another process to write to."""
        self.extend(path, 0, b"")
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            yield fd
        finally:
            os.close(fd)

    def open_note(self, path: Path) -> BinaryIO:
        """Open a file that stays open, made where it is missing: a lock with a note in it, which a boot forgets."""
        return path.open("a+b")

    def empty(self, fd: int) -> None:
        """Cut an open file to nothing."""
        os.ftruncate(fd, 0)

    def set_mode(self, path: Path, mode: int) -> None:
        """Say who may read, write and enter."""
        path.chmod(mode)

    def set_owner(self, path: Path, uid: int, gid: int) -> None:
        """Give a file or folder to somebody."""
        os.chown(path, uid, gid)

    # Names

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder its name, at once; durable with the folder."""
        os.rename(source, target)  # noqa: PTH104  a thousand times: pathlib takes the new path apart again

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name."""
        os.link(source, target)

    def make_folder(self, path: Path, mode: int = 0o777) -> None:
        """Make a folder in one that is there; there twice is there once. Durable with its parent."""
        path.mkdir(mode, exist_ok=True)

    def remove(self, path: Path) -> None:
        """Remove a file that may be gone already."""
        path.unlink(missing_ok=True)

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def names(self, folder: Path | int) -> list[str]:
        """What is in a folder, or below its descriptor, in the order that the disk has it."""
        return os.listdir(folder)  # noqa: PTH208  names, by which a folder's descriptor finds them too

    # Below a folder's descriptor: where somebody else may put links in the way

    def rename_within(self, source: Path, target: Path, source_folder: int, target_folder: int) -> None:
        """As `rename`, by the last parts of the paths, below open folders."""
        os.rename(source.name, target.name, src_dir_fd=source_folder, dst_dir_fd=target_folder)

    def remove_within(self, path: Path, folder: int) -> None:
        """Remove a file that is there, by the last part of its path, below an open folder.

        A link goes, and not what it names.
        """
        os.unlink(path.name, dir_fd=folder)

    def remove_folder_within(self, path: Path, folder: int) -> None:
        """As `remove_folder`, by the last part of the path, below an open folder."""
        os.rmdir(path.name, dir_fd=folder)

    # Durability

    def sync_file(self, path: Path) -> None:
        """Make a file's content durable."""
        _sync(path, os.O_RDONLY)

    def sync_folder(self, path: Path) -> None:
        """Make a folder's entries durable: renames and links in it."""
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)

    def sync_disk(self, path: Path) -> None:
        """Make everything durable on the file system of `path`: for a tree, one call in place of one per file.

        Not `sync`, which waits for every file system of the board, a hung one too, and keeps quiet about what was not
        written. Source: syncfs(2).
        """
        try:
            import ctypes  # noqa: PLC0415  a board's Python may lack it
        except ImportError:
            os.sync()
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(fd):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(path))
        finally:
            os.close(fd)

    def free_bytes(self, path: Path) -> int:
        """What may still be written beside `path`."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def takes_files(self, path: Path) -> bool:
        """Whether another file may be made beside `path`: a disk has a number of inodes, or makes them as it goes."""
        found = os.statvfs(path)
        return not found.f_files or found.f_favail > 0

    # Put together from these

    def make_folders(self, path: Path) -> None:
        """Make a folder and those that it lies in, as far as they are missing; not durable."""
        if not path.is_dir():
            self.make_folders(path.parent)
            self.make_folder(path)

    def keep_folder(self, path: Path) -> None:
        """Make a folder in one that is there, durably; there twice is there once."""
        if not path.is_dir():
            self.make_folder(path)
            try:
                self.sync_folder(path.parent)
            except OSError:  # so that it is not taken for a durable one the next time
                self.remove_folder(path)
                raise

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
            if not self.takes_files(folder):
                raise no_inodes() from error
            raise disk_full(needed_bytes, self.free_bytes(folder)) from error


def disk_full(needed_bytes: int, free_bytes: int) -> RolloutError:
    """The error that every full disk ends in."""
    return RolloutError(
        f"disk full: needs {format_bytes(needed_bytes)}, free {format_bytes(free_bytes)}",
        hint="free space on the device and deploy again: what arrived whole is kept",
        cause="disk_full",
    )


def no_inodes() -> RolloutError:
    """The error for a disk that has room, and none for another file."""
    return RolloutError(
        "disk full: it has no inodes left for more files, whatever its free space",
        hint="delete files on the device, many small ones first (df -i shows it), and deploy again",
        cause="disk_full",
    )


def _sync(path: Path, flags: int) -> None:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
