"""Memory that all clients share: what they send is taken in one after the other where it would be too much at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.errors import LockHeld

RATION_BYTES = 17 << 20
"""Of requests that are carried out at the same time: one of the largest offers, or many pieces of files."""
WAIT_S = 20.0
"""How long one waits for others, well below the time in which a client expects an answer."""


class Ration:
    """A number of bytes to share."""

    def __init__(self, total_bytes: int = RATION_BYTES, wait_s: float = WAIT_S) -> None:
        """Begin with all of it free."""
        self._total_bytes = total_bytes
        self._wait_s = wait_s
        self._used_bytes = 0
        self._changed = threading.Condition()

    @contextmanager
    def share(self, size_bytes: int) -> Iterator[None]:
        """Have some of it while the block runs; who wants more than there is has it alone.

        Raises:
            LockHeld: others had it for too long.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._fits(size_bytes), self._wait_s):
                raise LockHeld(
                    "other clients are sending as much as the keeper holds at once", hint="try again when they are done"
                )
            self._used_bytes += size_bytes
        try:
            yield
        finally:
            with self._changed:
                self._used_bytes -= size_bytes
                self._changed.notify_all()

    def _fits(self, size_bytes: int) -> bool:
        return not size_bytes or not self._used_bytes or self._used_bytes + size_bytes <= self._total_bytes
