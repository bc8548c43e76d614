"""Reads names of classes from a text file of a recipe."""

from __future__ import annotations

import re
from pathlib import Path

from edgekit.errors import InputError

_MAX_BYTES = 4 << 20
_MAX_LABELS = 100_000
_ONE_LINE = re.compile(r"[^\u0000-\u001f\u007f]{1,1000}")


def read_labels(file: Path) -> tuple[str, ...]:
    """The names in a file, a class in each line, in order; empty lines at its end do not count.

    Raises:
        InputError: it cannot be read, is no such text, or a class has no name.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{file} cannot be read: {reason}", hint="write a class in each line, in UTF-8") from None
    if len(content) > _MAX_BYTES:
        raise InputError(f"{file} is larger than {_MAX_BYTES >> 20} MiB", hint="write a class in each line")
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    for number, line in enumerate(lines, 1):
        if not _ONE_LINE.fullmatch(line):
            raise InputError(f"{file}: line {number} is no class's name", hint="write a class in each line")
    if len(lines) > _MAX_LABELS:
        raise InputError(f"{file} has {len(lines)} lines, at most {_MAX_LABELS} classes", hint="shorten it")
    return tuple(lines)
