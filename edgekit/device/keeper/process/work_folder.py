"""How much a worker's folder takes on disk, told without trust in what lies there: a worker may have made it to harm.

No more is looked at than a bound, no link is followed, and a file without a name counts as long as it is open.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

MAX_FILES = 100_000
"""Files and folders: a disk runs out of inodes as of bytes."""
MAX_DEPTH = 64
_LOOKED_AT = 4 * MAX_FILES
_LINKED, _OPEN = 10_000, 20_000
_BLOCK_BYTES = 512
"""Of `st_blocks`, whatever the file system's own are. Source: stat(2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderUse:
    """What a folder takes."""

    bytes: int
    files: int
    """At most as many as were looked at."""
    deeper: bool
    """Whether folders lie deeper than was looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderEntry:
    """A file, folder, or anything else that has a name there."""

    name: str
    within: int
    """The open folder that it lies in, until the next entry comes."""
    found: os.stat_result
    deeper: bool
    """Whether it is a folder that is not looked into, as it lies too deep."""


def entries_in(folder: Path) -> Iterator[FolderEntry]:
    """What lies in a folder at any depth, up to the bounds; what goes away meanwhile is not there.

    Raises:
        OSError: the folder itself cannot be read.
    """
    stack, left = [_opened(os.fspath(folder))], _LOOKED_AT
    try:
        while stack and left:
            level = stack[-1]
            entry = next(level.entries, None)
            if entry is None:
                stack.pop().kept.close()
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            left -= 1
            is_folder = stat.S_ISDIR(found.st_mode)
            deeper = is_folder and len(stack) >= MAX_DEPTH
            yield FolderEntry(name=entry.name, within=level.fd, found=found, deeper=deeper)
            if is_folder and not deeper:
                with suppress(OSError):
                    stack.append(_opened(entry.name, level.fd))
    finally:
        for level in stack:
            level.kept.close()


def measure(folder: Path) -> FolderUse:
    """Count what lies in a folder. Raises OSError where the folder itself cannot be read."""
    counted, deeper = _Counted(), False
    for entry in entries_in(folder):
        counted.add(entry.found)
        deeper = deeper or entry.deeper
    return FolderUse(bytes=counted.bytes, files=counted.files, deeper=deeper)


def nameless_bytes(folder: Path, pids: Iterable[int], proc: Path) -> int:
    """What files of the folder's disk take that these processes hold, and that have no name any more."""
    device = folder.stat().st_dev
    found: dict[int, int] = {}
    for count, path in enumerate(_held(pids, proc)):
        if count >= _OPEN:
            break
        with suppress(OSError):
            held = path.stat()
            if stat.S_ISREG(held.st_mode) and not held.st_nlink and held.st_dev == device:
                found[held.st_ino] = held.st_blocks * _BLOCK_BYTES
    return sum(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenFolder:
    fd: int
    entries: Iterator[os.DirEntry[str]]
    kept: ExitStack
    """Closes both."""


def _opened(name: str, within: int | None = None) -> _OpenFolder:
    """A folder, by its name in an opened one. Raises OSError, and leaves nothing open then."""
    with ExitStack() as kept:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
        kept.callback(os.close, fd)
        return _OpenFolder(fd=fd, entries=kept.enter_context(os.scandir(fd)), kept=kept.pop_all())


class _Counted:
    def __init__(self) -> None:
        self.bytes = self.files = 0
        self._linked: set[int] = set()

    def add(self, found: os.stat_result) -> None:
        """Count a file, whatever number of names it has, once."""
        self.files += 1
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            if found.st_ino in self._linked:
                return
            if len(self._linked) < _LINKED:
                self._linked.add(found.st_ino)
        self.bytes += found.st_blocks * _BLOCK_BYTES


def _held(pids: Iterable[int], proc: Path) -> Iterator[Path]:
    for pid in pids:
        for name in ("fd", "map_files"):
            with suppress(OSError):
                yield from (proc / str(pid) / name).iterdir()
