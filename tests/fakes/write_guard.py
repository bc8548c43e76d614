"""Sees every change of a file that the keeper makes past its `Filesystem`: Python tells of each, whoever makes it.

Source: Python, "Audit events table"; a hook stays for the life of the process, so it does nothing unless it is armed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import edgekit

_PACKAGE = str(Path(edgekit.__file__).parent)
_KEEPER = f"{_PACKAGE}/device/keeper/"
_DOORS = (
    *(f"{_KEEPER}filesystem.py", f"{_KEEPER}process/cgroup.py", f"{_PACKAGE}/trust.py", f"{_PACKAGE}/executor/"),
    str(Path(__file__).parent),
)
"""The door; the kernel's own files; scratch of other programs, see `edgekit.device.keeper.filesystem`; and the fakes,
which stand where the world is."""
_CHANGES = frozenset(
    f"os.{name}"
    for name in (
        *("rename", "remove", "rmdir", "mkdir", "link", "symlink", "chmod", "chown", "truncate", "utime"),
        *("setxattr", "removexattr", "mknod"),
    )
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_KERNEL = ("/dev/", "/proc/")


class WriteGuard:
    """Notes changes while it is armed: each as what was done, and the line of the keeper that did it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._armed = False
        sys.addaudithook(self._heard)

    @contextmanager
    def armed(self) -> Iterator[list[str]]:
        """Note what happens meanwhile, on any thread."""
        self.found, self._armed = [], True
        try:
            yield self.found
        finally:
            self._armed = False

    def _heard(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._armed and (event in _CHANGES or (event == "open" and _is_write(arguments))):
            where = _past_the_door(sys._getframe(1))
            if where:
                self.found.append(f"{event} {arguments[0]!r} by {where}")


def _is_write(arguments: tuple[object, ...]) -> bool:
    path, _, flags = arguments
    return isinstance(flags, int) and bool(flags & _WRITING) and not str(path).startswith(_KERNEL)


def _past_the_door(frame: FrameType | None) -> str:
    """The keeper's line that a change comes from; empty where it came through a door, or is not the keeper's."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_DOORS):
            return ""
        if file.startswith(_KEEPER):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


GUARD = WriteGuard()
"""One for the process, as it cannot be taken away again."""
