"""The folder of a sink's clips: within its quota, and without anything that a power cut left behind."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

SUFFIXES = (".mp4", ".mkv")
_PART = ".part"
_OTHER = re.compile("[^A-Za-z0-9-]+")
_LONGEST_WORD = 40


_SPARE_BYTES = 2 << 20
"""Left free beyond what is written next: a clip's end and its note."""


def free_bytes_of_disk(folder: Path) -> int:
    """What a disk has left for whoever is not root. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class ClipFolder:
    """What is called `*.mp4` or `*.mkv` is whole, and its note lies beside it. One thread uses it."""

    def __init__(self, folder: Path, quota_bytes: int, free_bytes: Callable[[Path], int] = free_bytes_of_disk) -> None:
        """Look at nothing yet.

        Args:
            folder: need not be there.
            quota_bytes: what clips and notes may take.
            free_bytes: how much a disk has left for this user.
        """
        self.folder, self._quota_bytes, self._free_bytes = folder, quota_bytes, free_bytes
        self._clips: deque[tuple[str, int]] = deque()
        """Names without suffix, and what each takes; the oldest first, as names begin with the time."""
        self.bytes = 0

    def open(self) -> None:
        """Make it, take away what is not whole, and see what there is.

        Raises:
            OSError: it cannot be made or read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, int] = {}
        whole = {file.stem for file in self.folder.iterdir() if file.suffix in SUFFIXES}
        for file in sorted(self.folder.iterdir()):
            if file.suffix in SUFFIXES or (file.suffix == ".json" and file.stem in whole):
                found[file.stem] = found.get(file.stem, 0) + file.stat().st_size
            elif file.suffix in (_PART, ".json"):
                file.unlink(missing_ok=True)
        self._clips, self.bytes = deque(sorted(found.items())), sum(found.values())

    def part(self, stream: str, at_s: float, words: tuple[str, ...], container: str) -> Path:
        """A file for a new clip; it has no such name as a whole one.

        Args:
            stream: its source.
            at_s: when its event was, seconds since 1970.
            words: what happened.
            container: `mp4` or `mkv`.
        """
        at = datetime.fromtimestamp(at_s, timezone.utc)
        parts = [f"{at:%Y%m%dT%H%M%S}-{at.microsecond // 1000:03}Z", *map(_plain, (stream, *words))]
        name = "_".join(part for part in parts if part)
        taken = {one for one, _ in self._clips}
        unique = next(one for one in (name, *(f"{name}-{count}" for count in range(2, 1000))) if one not in taken)
        return self.folder / f"{unique}.{container}{_PART}"

    def make_room(self, under_way_bytes: int, more_bytes: int = 0) -> bool:
        """Remove the oldest clips until those that are being written fit too; False where they cannot.

        Args:
            under_way_bytes: what those take that are being written, within the quota.
            more_bytes: what is written next: whoever else fills the disk, the newest clip is worth more than old ones.

        Raises:
            OSError: one cannot be removed, or the disk does not say how much is free.
        """
        excess = self.bytes + under_way_bytes - self._quota_bytes
        if more_bytes:
            excess = max(excess, more_bytes + _SPARE_BYTES - self._free_bytes(self.folder))
        while self._clips and excess > 0:
            name, size = self._clips[0]
            for suffix in (*SUFFIXES, ".json"):
                (self.folder / f"{name}{suffix}").unlink(missing_ok=True)
            self._clips.popleft()
            self.bytes -= size
            excess -= size
        return under_way_bytes <= self._quota_bytes

    def publish(self, part: Path, note: bytes) -> None:
        """Give a clip that is whole and on disk its name, after its note.

        Raises:
            OSError: the disk does not keep them.
        """
        clip = part.with_suffix("")
        beside, aside = clip.with_suffix(".json"), clip.with_suffix(f".json{_PART}")
        try:
            with aside.open("wb") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(beside)
            part.replace(clip)
        except OSError:
            for file_left in (aside, beside):
                with suppress(OSError):
                    file_left.unlink(missing_ok=True)
            raise
        _sync_folder(self.folder)
        size = clip.stat().st_size + len(note)
        self._clips.append((clip.stem, size))
        self.bytes += size


def _plain(word: str) -> str:
    """A word as any file system and shell takes it."""
    return _OTHER.sub("-", word)[:_LONGEST_WORD].strip("-")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
