"""What the keeper says to a worker, on the socket that its reports come on. Any thread may speak; none ever waits."""

from __future__ import annotations

import contextlib
import socket
import threading

from edgekit.schema.message import to_line
from edgekit.schema.order import Order


class WorkerLine:
    """A worker that does not read costs one line of memory, and hears nothing more until it does."""

    def __init__(self, line: socket.socket) -> None:
        """Speak on a socket that does not block; whoever made it closes it through this."""
        self._socket = line
        self._lock = threading.Lock()
        self._unsent = b""
        self._closed = False

    def tell(self, order: Order) -> bool:
        """Say something; False where it cannot be said now: say what still holds again later."""
        with self._lock:
            if self._closed or not self._flush():
                return False
            self._unsent = to_line(order)
            self._flush()
            return True

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._closed = True
            self._socket.close()

    def _flush(self) -> bool:
        """With the lock held: send what did not go out; whether all has."""
        with contextlib.suppress(OSError):  # full, or the worker has gone
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        return not self._unsent
