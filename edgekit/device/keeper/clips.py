"""Clips of one application, read for a client. Its worker may write into their folders: see `worker_files`."""

from __future__ import annotations

import base64
import hashlib
import heapq
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.device.keeper.worker_files import FILE, FOLDER, opened, plain_size
from edgekit.errors import InputError, NothingSelected
from edgekit.schema.clips import CLIP_NAME, MAX_LISTED, MAX_NOTE_BYTES, MAX_PIECE_BYTES, ClipPiece, KeptClip

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
        with self._clip(sink, file) as (descriptor, size):
            if not 0 <= offset <= size:
                raise InputError(f"clip {file} has {size} bytes and no place {offset}", hint=_HINT)
            data = os.pread(descriptor, MAX_PIECE_BYTES, offset)
            sha256 = _sha256(descriptor) if offset + len(data) >= size else ""
            return ClipPiece(bytes=size, data=base64.b64encode(data).decode(), sha256=sha256)

    @contextmanager
    def _clip(self, sink: str, file: str) -> Iterator[tuple[int, int]]:
        if sink not in self._sinks or not CLIP_NAME.admits(file):
            raise NothingSelected(f"there is no clip {file[:200]!r} of sink {sink[:80]!r}", hint=_HINT)
        try:
            with self._folder(sink) as folder, opened(file, FILE, folder) as descriptor:
                size = plain_size(os.fstat(descriptor))
                if size is None:
                    raise NothingSelected(f"{file} of sink {sink} is no plain file", hint=_HINT)
                yield descriptor, size
        except OSError as error:
            raise NothingSelected(f"clip {file} cannot be read: {error.strerror}", hint=_HINT) from None

    @contextmanager
    def _folder(self, sink: str) -> Iterator[int]:
        with opened(os.fspath(self._work), FOLDER) as work, opened(sink, FOLDER, work) as folder:
            yield folder


def _size(folder: int, name: str) -> int | None:
    """Of a plain file; None where it is gone, or none."""
    try:
        return plain_size(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError:
        return None


def _note(folder: int, clip: str) -> str:
    """What lies beside a clip; empty where that cannot be read."""
    try:
        with opened(f"{clip.rpartition('.')[0]}.json", FILE, folder) as descriptor:
            size = plain_size(os.fstat(descriptor))
            if size is None or size > MAX_NOTE_BYTES:
                return ""
            return os.pread(descriptor, size, 0).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _sha256(descriptor: int) -> str:
    digest, offset = hashlib.sha256(), 0
    while data := os.pread(descriptor, MAX_PIECE_BYTES, offset):
        digest.update(data)
        offset += len(data)
    return digest.hexdigest()
