"""What the kernel says of files that may go at any time: nothing of one that is not there, and no error."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def file_links(path: Path) -> int:
    """How many names it has; 0 where it is not there."""
    try:
        return path.stat().st_nlink
    except FileNotFoundError:
        return 0


def file_stamp(path: Path) -> tuple[int, ...]:
    """What changes with a file's content, unless the disk changes it; nothing where there is no file."""
    try:
        return stamp_of(path.stat())
    except FileNotFoundError:
        return ()


def stamp_of(found: os.stat_result) -> tuple[int, ...]:
    """The same, of what the kernel said."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def file_size(path: Path) -> int:
    """Its bytes; 0 where it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def bytes_in(folder: Path) -> int:
    """All files of a folder together: there may be tens of thousands, and whoever asks for a status waits for it."""
    found = 0
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                found += entry.stat().st_size
    return found
