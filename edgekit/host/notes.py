"""Small texts that are remembered in the cache, one file each; each with a digest, and none is read that is damaged."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.host.cache import Entry
from edgekit.host.disk import read_small, remove, write_whole
from edgekit.trust import sha256_bytes

_DIGEST_BYTES = 64
_DAY_S = 86400.0
_MOST_BYTES = 1 << 28


class Notes:
    """Notes of one kind. A failure to write one does no harm: it is made again.

    Args:
        folder: holds them; its name is the kind's.
        most: how many are kept: the oldest go first; 0: all.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, most: int = 0, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.kind = folder.name
        self._most = most
        self._clock = clock

    def read(self, key: str) -> bytes | None:
        """A note; None where there is none, or a damaged one."""
        file = self.folder / key
        try:
            content = _content(read_small(file, _MOST_BYTES))
        except OSError:
            return None
        if content is not None:
            with contextlib.suppress(OSError):
                os.utime(file, times=(self._clock(), self._clock()))
        return content

    def check(self, key: str) -> str:
        """What is wrong with a note; empty where it is whole."""
        try:
            return (
                ""
                if _content(read_small(self.folder / key, _MOST_BYTES)) is not None
                else "its content is not what it was"
            )
        except FileNotFoundError:  # thrown away meanwhile, if it is no link to nothing
            return "it leads nowhere" if (self.folder / key).is_symlink() else ""
        except OSError as error:
            return f"it cannot be read: {error.strerror}"

    def write(self, key: str, content: bytes) -> None:
        """Write a note, whole or not at all, in place of the one that was there."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            if (self.folder / key).is_dir():  # nothing can be renamed over it
                remove(self.folder / key)
            write_whole(self.folder / key, sha256_bytes(content).encode() + b"\n" + content)
            self._limit()

    def _limit(self) -> None:
        notes = sorted(self.folder.glob("[!.]*"), key=lambda note: note.stat().st_mtime) if self._most else []
        for old in notes[: -self._most]:
            old.unlink(missing_ok=True)

    def entries(self) -> tuple[Entry, ...]:
        """All notes."""
        found = []
        for file in sorted(self.folder.glob("[!.]*")):
            with contextlib.suppress(FileNotFoundError):
                status = file.lstat()
                times = (status.st_ctime, status.st_mtime)
                made_s, used_s = min(times), times[1]
                found.append(
                    Entry(
                        kind=self.kind,
                        key=file.name,
                        title="",
                        path=file,
                        bytes=status.st_size,
                        made_s=made_s,
                        used_s=used_s,
                    )
                )
        return tuple(found)

    def drop(self, entry: Entry, unused_since_s: float) -> int:
        """Remove a note unless it was used since. See `Cache.drop`."""
        with contextlib.suppress(OSError):
            if entry.path.lstat().st_mtime < unused_since_s:
                remove(entry.path)
                return entry.bytes
        return 0

    def sweep(self) -> int:
        """Remove what was half written, a day ago at least."""
        for file in self.folder.glob(".*"):
            with contextlib.suppress(FileNotFoundError):  # it was finished meanwhile
                if self._clock() - file.lstat().st_mtime > _DAY_S:
                    file.unlink()
        return 0


def _content(written: bytes) -> bytes | None:
    """What was written, where it is still what its digest says."""
    digest, content = written[:_DIGEST_BYTES], written[_DIGEST_BYTES + 1 :]
    return content if digest == sha256_bytes(content).encode() else None
