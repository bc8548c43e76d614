"""Files of lines that stay small, and the log."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO


class LogLines:
    """Lines in the worker's log."""

    def write(self, lines: Sequence[bytes]) -> int:
        """Write them all. Raises OSError."""
        sys.stderr.write(b"".join(lines).decode())
        return len(lines)


class LineFile:
    """A file and those before it: FILE.1, FILE.2 ... Together they never grow past `max_bytes` times `keep` + 1."""

    def __init__(self, file: Path, max_bytes: int, keep: int) -> None:
        """Touch nothing yet.

        Args:
            file: the newest one.
            max_bytes: it is started anew past this size; no line is longer.
            keep: so many older ones stay.
        """
        self._file, self._max_bytes, self._keep = file, max_bytes, keep

    def write(self, lines: Sequence[bytes]) -> int:
        """Append some lines: as many as fit into a file, the first one at least; gives how many.

        Raises:
            OSError: the disk does not take them; none of them stands in the file.
        """
        self._file.parent.mkdir(parents=True, exist_ok=True)
        size = self._file.stat().st_size if self._file.exists() else 0
        if size + len(lines[0]) > self._max_bytes:
            self._turn()
            size = 0
        count = 0
        for line in lines:
            size += len(line)
            if count and size > self._max_bytes:
                break
            count += 1
        with self._file.open("ab", buffering=0) as file:
            _write_whole(file, b"".join(lines[:count]))
        return count

    def _turn(self) -> None:
        """Begin a new file: FILE.1 is the one before it, FILE.2 the one before that."""
        file = self._file
        for number in range(self._keep, 0, -1):
            older = file.with_name(f"{file.name}.{number - 1}") if number > 1 else file
            if older.exists():
                older.replace(file.with_name(f"{file.name}.{number}"))
        if not self._keep:
            file.unlink(missing_ok=True)


def _write_whole(file: BinaryIO, content: bytes) -> None:
    """All of it or none: a full disk takes a part of a line."""
    before, written = file.tell(), 0
    try:
        while written < len(content):
            written += file.write(content[written:])
    except OSError:
        with suppress(OSError):
            file.truncate(before)
        raise
