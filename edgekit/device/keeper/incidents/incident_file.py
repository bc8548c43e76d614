"""Incidents of one application on disk: a line each, added at the end, the oldest half gone when there are too many."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.errors import InputError
from edgekit.schema.incident import Incident
from edgekit.schema.message import from_message, to_line

MAX_BYTES = 128 << 10
"""Of one file. One line has some 2 KB, and at the very most 48 KiB."""
_LINE = b"\n"


class IncidentFile:
    """One file. One thread writes; any may read, as lines are only added and files replaced whole."""

    def __init__(self, path: Path, disk: Filesystem) -> None:
        self._path = path
        self._disk = disk
        self._end: int | None = None
        """Where the next line goes: behind the last whole one. None before the file was looked at."""

    def append(self, incident: Incident) -> None:
        """Add an incident, durably. What a power cut left of a line is written over. Raises OSError."""
        line = to_line(incident)
        if self._end is None:
            self._end = len(self._whole())
        if self._end and self._end + len(line) > MAX_BYTES:
            self._shorten()
        if not self._end:
            self._disk.make_folders(self._path.parent)
        self._disk.extend(self._path, self._end, line)
        self._disk.sync_file(self._path)
        if not self._end:
            self._disk.sync_folder(self._path.parent)
        self._end += len(line)

    def last(self, count: int) -> tuple[Incident, ...]:
        """The newest, oldest first; the last word on each number. Lines that cannot be read are left out."""
        found: dict[int, Incident] = {}
        try:
            lines = self._whole().splitlines()
        except OSError:
            return ()
        for line in reversed(lines):
            if len(found) == count:
                break
            try:
                incident = from_message(Incident, line, self._path.name)
            except InputError:  # of a newer keeper, or of a disk that rots
                continue
            found.setdefault(incident.number, incident)
        return tuple(sorted(found.values(), key=lambda one: one.number))

    def remove(self) -> None:
        """Forget all. Raises OSError."""
        self._disk.remove(self._path)
        self._end = None

    def _whole(self) -> bytes:
        """Its whole lines; nothing where there is no file."""
        try:
            with self._path.open("rb") as file:
                data = file.read(2 * MAX_BYTES)
        except FileNotFoundError:
            return b""
        return data[: data.rfind(_LINE) + 1]

    def _shorten(self) -> None:
        """Keep the newest half; a cut leaves the old file or the new one."""
        lines = self._whole().splitlines(keepends=True)
        kept: list[bytes] = []
        while lines and sum(map(len, kept)) + len(lines[-1]) <= MAX_BYTES // 2:
            kept.insert(0, lines.pop())
        data = b"".join(kept)
        self._disk.replace(self._path, data)
        self._end = len(data)
