"""The state of files by their stat, so that work whose every input is as it was need not be done again.

As `make` does, but with inode, size, mode and both times: a file that is copied over another, or edited with its time
put back, counts as changed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SETTLED_NS = 1_000_000_000
"""A file that changed this shortly before it was looked at may change again within one tick of its file system's clock.

Source: git, Documentation/technical/racy-git.txt.
"""
_MAX_FILES = 20_000
_SKIPPED = frozenset({"__pycache__", ".git"})
"""Made by running or committing what is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What many files and folders looked like at one moment."""

    digest: str
    newest_ns: int
    """When the last of them changed, in nanoseconds since 1970."""


def stat_numbers(status: os.stat_result) -> list[int]:
    """Inode, size, mode, mtime and ctime in nanoseconds: whoever changes a file cannot keep all of them."""
    return [status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns]


def walk(folder: Path, skipped: frozenset[str] = frozenset(), below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder, folders too, links as links, by its path relative to that folder.

    Args:
        folder: where to look.
        skipped: names that are left out, on every level.
        below: the part of it to look at, ending in a slash.

    Raises:
        OSError: a folder cannot be read.
    """
    with os.scandir(folder / below) as entries:
        for entry in entries:
            if entry.name in skipped:
                continue
            path = f"{below}{entry.name}"
            yield path, entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                yield from walk(folder, skipped, f"{path}/")


def take_snapshot(folders: Iterable[Path], files: Iterable[Path]) -> Snapshot | None:
    """Look at every file below some folders, and at some files or folders by themselves; what is not there counts too.

    Returns:
        None where that cannot be told from stats: links, which may lead anywhere, or more files than is worth it.
    """
    seen: list[str] = []
    newest = 0
    for name, status in _looked_at(folders, files):
        if status is None:
            seen.append(f"{name}\0")
            continue
        if stat.S_ISLNK(status.st_mode) or len(seen) > _MAX_FILES:
            return None
        seen.append(f"{name}\0{stat_numbers(status)}")
        newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
    whole = "\n".join(sorted(seen)).encode(errors="surrogateescape")
    return Snapshot(digest=hashlib.sha256(whole).hexdigest(), newest_ns=newest)


def _looked_at(folders: Iterable[Path], files: Iterable[Path]) -> Iterator[tuple[str, os.stat_result | None]]:
    for folder in folders:
        try:
            found = ((f"{folder}/{path}", status) for path, status in walk(folder, _SKIPPED))
            yield from ((name, status) for name, status in found if not stat.S_ISDIR(status.st_mode))
        except (FileNotFoundError, NotADirectoryError):
            yield str(folder), None
    for file in files:
        try:
            yield str(file), file.stat()
        except OSError:
            yield str(file), None
