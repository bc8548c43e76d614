"""Folders of the cache that programs write as they like: work folders, logs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgekit.host.cache import Entry
from edgekit.host.disk import remove, size_of


class Scratch:
    """Files and folders that are known by nothing but their age. They are removed only while nobody uses the cache.

    Args:
        kind: its name.
        folder: holds them.
        patterns: those that count, below the folder; none: all.
        abandoned: why all of it may go once nobody uses the cache, for people; empty where its age counts.
    """

    def __init__(self, kind: str, folder: Path, *patterns: str, abandoned: str = "") -> None:
        self.kind = kind
        self._folder = folder
        self._patterns = patterns or ("*",)
        self._abandoned = abandoned

    def entries(self) -> tuple[Entry, ...]:
        """All files and folders; when they were last used is when something was last written directly in them."""
        found = {path for pattern in self._patterns for path in self._folder.glob(pattern)}
        return tuple(self._entry(path) for path in sorted(found))

    def check(self, key: str) -> None:
        """Nothing here has a digest: programs write it as they like."""

    def drop(self, entry: Entry, unused_since_s: float) -> int:
        """Remove a file or folder. See `Cache.drop`."""
        return remove(entry.path) if self._abandoned or _written_s(entry.path) < unused_since_s else 0

    def sweep(self) -> int:
        """Nothing is made aside here."""
        return 0

    def _entry(self, path: Path) -> Entry:
        written_s = _written_s(path)
        return Entry(
            kind=self.kind,
            key=path.relative_to(self._folder).as_posix(),
            title=self._abandoned,
            path=path,
            bytes=size_of(path),
            made_s=written_s,
            used_s=0.0 if self._abandoned else written_s,
        )


def _written_s(path: Path) -> float:
    """When a file, or something directly in a folder, was last written; 0 for what is gone meanwhile."""
    newest = 0.0
    for one in (path, *_names_in(path)):
        with contextlib.suppress(FileNotFoundError):
            newest = max(newest, one.lstat().st_mtime)
    return newest


def _names_in(path: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from () if path.is_symlink() else path.iterdir()
