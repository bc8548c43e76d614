"""Clips of one application, read for a client. Its worker may write into their folders, and is believed nothing.

The keeper may read everything on the board, so each file is opened by its name in an opened folder, never through a
link, and has no other name: a worker could lay a link to somebody else's file there.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import InputError, NothingSelected
from edgekit.schema.clips import CLIP_NAME, MAX_LISTED, MAX_NOTE_BYTES, MAX_PIECE_BYTES, ClipPiece, KeptClip

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_MAX_NOTES_BYTES = 32 << 20
"""Of all notes of one list."""
_HINT = "edgekit clips list shows what is there"


class ClipShelf:
    """What the `clip` sinks of one application have written. Any thread may use it."""

    def __init__(self, work: Path, sinks: tuple[str, ...]) -> None:
        """Look at nothing yet.

        Args:
            work: the worker's folder.
            sinks: names of its `clip` sinks, which are names of folders in there.
        """
        self._work, self._sinks = work, sinks

    def clips(self) -> Iterator[KeptClip]:
        """All that are whole: sink by sink, the newest first, as their names begin with the time."""
        notes_bytes = 0
        for sink in self._sinks:
            try:
                with self._folder(sink) as folder, os.scandir(folder) as entries:
                    found = (entry.name for entry in entries if CLIP_NAME.admits(entry.name))
                    for name in heapq.nlargest(MAX_LISTED, found):
                        size = _size(folder, name)
                        if size is None:
                            continue
                        note = _note(folder, name) if notes_bytes < _MAX_NOTES_BYTES else ""
                        notes_bytes += len(note)
                        yield KeptClip(sink=sink, file=name, bytes=size, note=note)
            except OSError:  # it has written none yet, or what is there is no folder
                continue

    def piece(self, sink: str, file: str, offset: int) -> ClipPiece:
        """Some of a clip, from `offset` on.

        Raises:
            NothingSelected: there is no such clip, or it went to make room.
            InputError: it has no such place.
        """
        with self._clip(sink, file) as (opened, size):
            if not 0 <= offset <= size:
                raise InputError(f"clip {file} has {size} bytes and no place {offset}", hint=_HINT)
            data = os.pread(opened, MAX_PIECE_BYTES, offset)
            sha256 = _sha256(opened) if offset + len(data) >= size else ""
            return ClipPiece(bytes=size, data=base64.b64encode(data).decode(), sha256=sha256)

    @contextmanager
    def _clip(self, sink: str, file: str) -> Iterator[tuple[int, int]]:
        if sink not in self._sinks or not CLIP_NAME.admits(file):
            raise NothingSelected(f"there is no clip {file[:200]!r} of sink {sink[:80]!r}", hint=_HINT)
        try:
            with self._folder(sink) as folder, _opened(file, _FILE, folder) as opened:
                size = _plain_size(os.fstat(opened))
                if size is None:
                    raise NothingSelected(f"{file} of sink {sink} is no plain file", hint=_HINT)
                yield opened, size
        except OSError as error:
            raise NothingSelected(f"clip {file} cannot be read: {error.strerror}", hint=_HINT) from None

    @contextmanager
    def _folder(self, sink: str) -> Iterator[int]:
        with _opened(os.fspath(self._work), _FOLDER) as work, _opened(sink, _FOLDER, work) as folder:
            yield folder


@contextmanager
def _opened(name: str, flags: int, folder: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _size(folder: int, name: str) -> int | None:
    """Of a plain file; None where it is gone, or none."""
    try:
        return _plain_size(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError:
        return None


def _plain_size(status: os.stat_result) -> int | None:
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else None


def _note(folder: int, clip: str) -> str:
    """What lies beside a clip; empty where that cannot be read."""
    try:
        with _opened(f"{clip.rpartition('.')[0]}.json", _FILE, folder) as opened:
            size = _plain_size(os.fstat(opened))
            if size is None or size > MAX_NOTE_BYTES:
                return ""
            return os.pread(opened, size, 0).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _sha256(opened: int) -> str:
    digest, offset = hashlib.sha256(), 0
    while data := os.pread(opened, MAX_PIECE_BYTES, offset):
        digest.update(data)
        offset += len(data)
    return digest.hexdigest()
