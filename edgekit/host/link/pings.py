"""Lets a keeper hear of a client that is busy elsewhere: it patches, hashes, waits. See `schema.control_bounds`.

A machine that sleeps, a process that is stopped or a link that is dead sends none: its lock is somebody else's soon.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from edgekit.errors import EdgekitError
from edgekit.schema.control_bounds import PING_S

_STOP_S = 1.0


class Pings:
    """Sends them on a thread of its own until `stop`."""

    def __init__(self, ping: Callable[[], None], every_s: float = PING_S) -> None:
        """Begin.

        Args:
            ping: sends one, unless the conversation is under way anyhow; may raise EdgekitError or OSError.
            every_s: how often.
        """
        self._ping = ping
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pings", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more. One under way is waited for, but not for long: behind it what it is written to is closed."""
        self._stopped.set()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            # Whoever speaks next learns what is wrong with the link, and says so.
            with contextlib.suppress(EdgekitError, OSError):
                self._ping()
