"""Opens what a program in the sandbox has left: a link to a file of the user, or a pipe, may lie in its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_left(file: Path) -> BinaryIO | None:
    """Open a file in a folder that such a program could write to; None where there is no regular one of that name."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        return None
    return os.fdopen(opened, "rb")


def read_left(file: Path, most_bytes: int) -> bytes:
    """The first bytes of such a file; nothing where there is none."""
    stream = open_left(file)
    if stream is None:
        return b""
    with stream:
        return stream.read(most_bytes)
