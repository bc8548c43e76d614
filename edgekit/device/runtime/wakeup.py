"""How one thread wakes another."""

from __future__ import annotations

import threading


class WakeUp:
    """Ends the sleep of a thread, or the next one if none sleeps now: one C lock that is held until then.

    A Condition makes a lock for every wait and keeps a list of them, which costs as much again as the wake-up itself.
    """

    __slots__ = ("_lock", "sleep")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.sleep = self._lock.acquire
        """Takes `timeout` in seconds too; then false where nobody woke it in time."""

    def wake(self) -> None:
        """From any thread, and from wherever the collector runs: it waits for nothing."""
        if self._lock.locked():
            try:  # noqa: SIM105  this is on every frame's way, and a context manager costs as much as the rest
                self._lock.release()
            except RuntimeError:  # another thread was faster
                pass
