"""What keeper and workers write: passed on to standard error, and the last lines kept for `edgekit logs`."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.schema.plain_text import plain_text

KEPT_LINES = 2000
KEPT_BYTES, ALL_KEPT_BYTES = 2 << 20, 8 << 20
"""Of memory, per application and of all together: fewer lines are kept where they are long, or many write much."""
_LINE_BYTES = 200
"""What a line takes besides its text."""
MAX_LINE_BYTES = 4096
MAX_FILE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, numbered since the keeper's start."""

    number: int
    at_s: float
    """Wall clock, seconds since the epoch."""
    application: str
    """Whose line it is; empty: the keeper's own."""
    text: str


class _Ring:
    """The last lines of one application."""

    def __init__(self, kept: int) -> None:
        self.lines: deque[Line] = deque()
        self._kept = kept
        self.bytes = 0

    def add(self, line: Line) -> None:
        """Add one, and drop the oldest ones that are too many now."""
        self.lines.append(line)
        self.bytes += _held_bytes(line)
        while len(self.lines) > self._kept or self.bytes > KEPT_BYTES:
            self.drop()

    def drop(self) -> None:
        """Drop the oldest."""
        self.bytes -= _held_bytes(self.lines.popleft())


def _held_bytes(line: Line) -> int:
    return sys.getsizeof(line.text) + _LINE_BYTES


class Journal:
    """A bounded ring of lines per application: one that writes much pushes out no other's. Any thread may use it."""

    def __init__(self, sink: Callable[[bytes], None], wall_clock: Callable[[], float], kept: int = KEPT_LINES) -> None:
        self._sink = sink
        self._wall_clock = wall_clock
        self._kept = kept
        self._rings: dict[str, _Ring] = {}
        self._count = 0
        self._changed = threading.Condition()

    def write(self, text: str, application: str = "") -> None:
        """Add one line; what is too long is cut, and what a terminal would obey is taken out."""
        text = plain_text(text)
        raw = text.encode(errors="replace")
        if len(raw) > MAX_LINE_BYTES:
            text = raw[:MAX_LINE_BYTES].decode(errors="ignore") + " ..."
        with self._changed:
            self._count += 1
            line = Line(number=self._count, at_s=self._wall_clock(), application=application, text=text)
            self._rings.setdefault(application, _Ring(self._kept)).add(line)
            while sum(ring.bytes for ring in self._rings.values()) > ALL_KEPT_BYTES:
                max(self._rings.values(), key=lambda ring: ring.bytes).drop()
            self._changed.notify_all()
        self._sink((text + "\n").encode(errors="replace"))

    def tail(self, count: int, after: int = 0, application: str | None = None) -> tuple[Line, ...]:
        """The last lines, at most `count`, and only those with a higher number than `after`.

        Args:
            count: how many.
            after: the number of a line that is known already.
            application: whose; None for everybody's.
        """
        with self._changed:
            rings = [ring for name, ring in self._rings.items() if application in (None, name)]
            found = [line for ring in rings for line in ring.lines if line.number > after]
        found.sort(key=lambda line: line.number)
        return tuple(found[-count:]) if count > 0 else ()

    def wait(self, after: int, timeout_s: float) -> bool:
        """Wait for a line with a higher number than `after`; False where none came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count > after, timeout_s)

    def forget(self, application: str) -> None:
        """Drop an application's lines."""
        with self._changed:
            self._rings.pop(application, None)

    @property
    def count(self) -> int:
        """The last line's number."""
        return self._count


class LineCutter:
    """Cuts a byte stream into lines of bounded length."""

    def __init__(self, limit: int, most: int = KEPT_LINES) -> None:
        """Cut lines at `limit` bytes, and give at most `most` of them at a time."""
        self._limit = limit
        self._most = most
        self._rest = bytearray()
        self._left_out = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, the last ones; one that outgrows the limit comes in pieces."""
        self._rest += data
        *lines, rest = self._rest.rsplit(b"\n", self._most + 1)
        if len(lines) > self._most:
            self._left_out += lines.pop(0).count(b"\n") + 1
        self._rest = bytearray(rest)
        if len(self._rest) > self._limit:
            lines.append(self._rest)
            self._rest = bytearray()
        return [bytes(line) for line in lines]

    def left_out(self) -> int:
        """How many lines were too many, since this was last asked."""
        left_out, self._left_out = self._left_out, 0
        return left_out

    def flush(self) -> list[bytes]:
        """What is left at the stream's end."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [rest] if rest else []


def stderr_sink(fd: int, old: Path, disk: Filesystem) -> Callable[[bytes], None]:
    """Write to a descriptor; where it is a plain file that was opened for appending, keep that file small.

    Args:
        fd: the keeper's standard error: the journal's stream, or a log file in process mode.
        old: where the file's content goes when it has grown too large.
        disk: the way there.
    """
    limited = stat.S_ISREG(os.fstat(fd).st_mode)

    def write(data: bytes) -> None:
        try:
            os.write(fd, data)
            if limited and os.fstat(fd).st_size > MAX_FILE_BYTES:
                disk.copy(Path(f"/proc/self/fd/{fd}"), old)
                disk.empty(fd)
        except OSError:  # a full disk or a closed terminal must not stop the keeper
            return

    return write
