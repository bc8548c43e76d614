"""Small files in which the kernel tells figures: of cgroups, of processes, of the whole board.

One that is not there, or not as it should be, says nothing: it must not end who reads it.
"""

from __future__ import annotations

import os
from pathlib import Path

_MOST_READ_BYTES = 1 << 18
_PIECE_BYTES = 1 << 13
"""Most are smaller. They are read many times a second, and room for a whole one would be mapped anew each time."""


def text_of(path: Path) -> str:
    """A file's text, 256 KiB of it at most; empty where it cannot be read."""
    text = b""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while len(text) < _MOST_READ_BYTES and (piece := os.read(fd, _PIECE_BYTES)):
                text += piece
        finally:
            os.close(fd)
    except OSError:
        return ""
    return text[:_MOST_READ_BYTES].decode(errors="replace")


def number_of(path: Path) -> int | None:
    """A file of one number; None where there is none."""
    return as_number(text_of(path).strip())


def table_of(path: Path) -> dict[str, int]:
    """A file of lines such as `anon 4096` or `VmRSS:  12 kB`: numbers by name; empty where it cannot be read."""
    found = {}
    for line in text_of(path).splitlines():
        name, *values = line.split()[:2] or [""]
        number = as_number(values[0]) if values else None
        if number is not None:
            found[name.rstrip(":")] = number
    return found


def boot_name(proc: Path) -> str:
    """This boot's name, another one after each boot; empty where it is not told. Source: random(4), boot_id."""
    return text_of(proc / "sys/kernel/random/boot_id").strip()


def as_number(text: str) -> int | None:
    """A number as the kernel writes them; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() else None
