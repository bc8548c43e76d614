"""Reads files that users name: regular ones alone, and never more than a bound."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edgekit.errors import InputError
from edgekit.schema.units import format_bytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_MODEL_BYTES = 2 << 30
"""Source: protobuf, a message is smaller than 2 GiB."""
_PIECE_BYTES = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading; a pipe without a writer does not block.

    Raises:
        InputError: it is not there, may not be read, or is a device, pipe or folder.
    """
    hint = "give the path of a file"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint=hint) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no regular file")
        raise InputError(f"{path} is {kind}, not a file", hint=hint)
    return io.BufferedReader(_Ready(descriptor, "rb"))


class _Ready(io.FileIO):
    """A file whose content is there: some of the system's, such as /proc/kmsg, have one that is still to come."""

    def readinto(self, buffer: Buffer, /) -> int:
        """Read what is there. Raises BlockingIOError where a reader would have to wait."""
        count = super().readinto(buffer)
        if count is None:
            raise BlockingIOError(errno.EAGAIN, "its content is still to come")
        return count


def digest_bounded(path: Path, limit_bytes: int) -> str:
    """The SHA-256 of a file's content. Raises as `read_bounded`."""
    digest = hashlib.sha256()
    for piece in _pieces(path, limit_bytes):
        digest.update(piece)
    return digest.hexdigest()


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    """Read a whole file.

    Raises:
        InputError: as `open_file`, or it is as large as the bound or larger: some files of the system have no end.
    """
    return b"".join(_pieces(path, limit_bytes))


def _pieces(path: Path, limit_bytes: int) -> Iterator[bytes]:
    """A file's content, a piece at a time: one read would take memory for all that it may read."""
    left = limit_bytes
    try:
        with open_file(path) as stream:
            if os.fstat(stream.fileno()).st_size < limit_bytes:
                while left > 0 and (piece := stream.read(min(left, _PIECE_BYTES))):
                    yield piece
                    left -= len(piece)
                if left > 0:
                    return
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint="give the path of a file") from None
    size = format_bytes(limit_bytes)
    raise InputError(f"{path} is larger than {size}, which no model may be", hint="export a smaller model")
