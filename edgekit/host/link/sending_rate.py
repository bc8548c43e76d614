"""Keeps what is sent below a rate: for links that others need too, or that cost by their peak."""

from __future__ import annotations

import time
from collections.abc import Callable

SLICE_BYTES = 16 << 10
"""What is handed over at once: a slow pace is kept within a piece, and the device hears something all the while."""


class SendingRate:
    """Says how long to wait before the next bytes; a burst of one slice is let through."""

    def __init__(
        self,
        bytes_per_s: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start with nothing sent. `bytes_per_s` is what SSH is given; its own share comes on top."""
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._free_at_s = clock()

    def take(self, count: int) -> None:
        """Wait until `count` more bytes may go."""
        now_s = self._clock()
        if self._free_at_s > now_s:
            self._sleep(self._free_at_s - now_s)
        self._free_at_s = max(self._free_at_s, now_s) + count / self._bytes_per_s
