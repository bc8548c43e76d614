"""The way on which `enter` says, before the worker's first line, what could not be taken away from it."""

from __future__ import annotations

import os

from edgekit.device.keeper.process.confinement.confined import MAX_NOTE_BYTES, read_note
from edgekit.schema.plain_text import plain_text

_LONGEST = 200


class Note:
    """A pipe whose writing end is lent to the process that is being started."""

    def __init__(self) -> None:
        self.fd, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.open = True
        self._raw = b""

    def handed_over(self) -> None:
        """The other process has its writing end, or will never have one."""
        os.close(self.writer)

    def read(self) -> list[str] | None:
        """What it says, once; None before that, and afterwards."""
        if not self.open:
            return None
        try:
            piece = os.read(self.fd, MAX_NOTE_BYTES)
        except BlockingIOError:
            return None
        self._raw += piece
        if piece and len(self._raw) <= MAX_NOTE_BYTES:
            return None
        self.close()
        return [plain_text(text)[:_LONGEST] for text in read_note(self._raw)]

    def close(self) -> None:
        """Stop listening."""
        if self.open:
            self.open = False
            os.close(self.fd)
