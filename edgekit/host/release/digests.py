"""What a folder holds, file by file; a file is hashed again only when its stat has changed since the last time."""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.host.snapshot import SETTLED_NS, stat_numbers, walk
from edgekit.schema.manifest import FileEntry
from edgekit.trust import sha256_bytes, sha256_file

_KEPT_NOTES = 64
"""How many folders or builds are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    stat: list[int]
    """As `stat_numbers` gives it."""
    sha256: str


class FolderDigests:
    """Lists a folder's files with their digests, and remembers them between runs.

    Args:
        folder: what is listed.
        notes: folder of the cache where digests are remembered; it is made when needed.
    """

    def __init__(self, folder: Path, notes: Path) -> None:
        self._folder = folder
        self._file = notes / f"{sha256_bytes(os.fsencode(folder.absolute()))}.json"

    def entries(self) -> tuple[FileEntry, ...] | None:
        """Every file, sorted by path; None where the folder holds links, devices or other things that no release holds.

        Raises:
            OSError: a file cannot be read.
        """
        known = self._remembered()
        found: dict[str, _Note] = {}
        for path, status in walk(self._folder, frozenset()):
            if not stat.S_ISREG(status.st_mode):
                return None
            now = stat_numbers(status)
            note = known.get(path)
            if note is None or note.stat != now:
                note = _Note(stat=now, sha256=sha256_file(self._folder / path))
            found[path] = note
        if found != known:
            self._remember(found)
        return tuple(_entry(path, found[path]) for path in sorted(found))

    def _remembered(self) -> dict[str, _Note]:
        try:
            record = json.loads(self._file.read_bytes())
            settled = int(record["noted_ns"]) - SETTLED_NS
            notes = {path: _note(value) for path, value in record["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        return {path: note for path, note in notes.items() if note.stat[-1] < settled}

    def _remember(self, found: dict[str, _Note]) -> None:
        """Best effort: without notes, files are hashed again."""
        record = {
            "noted_ns": time.time_ns(),
            "files": {path: [*note.stat, note.sha256] for path, note in found.items()},
        }
        write_note(self._file, json.dumps(record).encode())


def _note(value: list[Any]) -> _Note:
    *numbers, sha256 = value
    if not numbers or not all(isinstance(number, int) for number in numbers) or not isinstance(sha256, str):
        raise ValueError("not a note")
    return _Note(stat=numbers, sha256=sha256)


def _entry(path: str, note: _Note) -> FileEntry:
    _, size, mode, *_ = note.stat
    return FileEntry(path=path, sha256=note.sha256, bytes=size, executable=bool(mode & stat.S_IXUSR))


def write_note(file: Path, content: bytes) -> None:
    """Write a note of the cache, whole or not at all, and remove its folder's oldest ones. A failure does no harm."""
    aside = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.rename(file)
        notes = sorted(file.parent.glob("*.json"), key=lambda note: note.stat().st_mtime)
        for old in notes[:-_KEPT_NOTES]:
            old.unlink(missing_ok=True)
    except OSError:
        with suppress(OSError):
            aside.unlink()
