"""How the keeper's loop sleeps, and who may wake it."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterable


class Waker:
    """A sleep that ends with time, with something to read, or with `wake` from a signal or another thread."""

    def __init__(self) -> None:
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    @property
    def fd(self) -> int:
        """Any byte written here ends the sleep: for `signal.set_wakeup_fd`."""
        return self._waker.fileno()

    def wake(self) -> None:
        """End the sleep, or the next one."""
        with contextlib.suppress(BlockingIOError):  # full: it is awake already
            self._waker.send(b"w")

    def sleep(self, descriptors: Iterable[int], seconds: float) -> None:
        """Wait until there is something to do."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        for fd in descriptors:
            poll.register(fd, select.POLLIN)
        poll.poll(seconds * 1000)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
