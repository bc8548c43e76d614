"""HTTP connections that wait for nobody for long. What uvicorn bounds itself: how much it reads ahead, and writes.

What it lacks for a port that anybody may reach stands here: how many connections there are at most, and how long each
may take to ask and to read on.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

ASK_S = 10.0
"""How long a request may take to arrive; with a body, longer: see `SLOWEST_BYTES_S`."""
SLOWEST_BYTES_S = 64 << 10
"""A body comes at least so fast, in bytes a second."""
STILL_S = 20.0
"""How long who is being sent something may take nothing of it."""
LOOK_EVERY_S = 2.0
_SEND_BUFFER_BYTES = 64 << 10
"""In the kernel, for each connection that is sent pictures: more would only be older ones on their way."""
_PIECE_BYTES = 60 << 10
"""Less than workers' MALLOC_MMAP_THRESHOLD_."""
_ASKING = (h11.IDLE, h11.SEND_BODY)
"""A client's states while some of its request, or of its next one, is still to come. Source: h11, "State machines"."""


class _Watched(H11Protocol):
    """One connection, looked at every now and then."""

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._most = most
        self._moved_s = 0.0
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, or not."""
        if len(self.connections) >= self._most:
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:  # asyncio sees to it for sockets that say that they are TCP; few do
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self._moved_s = time.monotonic()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
        if self.transport is not None:
            super().connection_lost(exc)

    def _asks_for_s(self, now_s: float) -> float:
        """How much longer than it may it has been at its request; 0 or less: it may go on."""
        raise NotImplementedError

    def _look(self) -> None:
        now_s, left = time.monotonic(), self.transport.get_write_buffer_size()
        if not left or left != self._left:
            self._left, self._moved_s = left, now_s
        if self._asks_for_s(now_s) > 0 or now_s - self._moved_s > STILL_S:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(LOOK_EVERY_S, self._look)


class OneAnswer(_Watched):
    """A connection for one request, whose answer says `connection: close`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._began_s = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep little in the kernel."""
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """What comes behind a request is of no interest to anybody."""
        if self.cycle is None:
            super().data_received(data)

    def _asks_for_s(self, now_s: float) -> float:
        return now_s - self._began_s - ASK_S if self.cycle is None else 0.0


class ManyRequests(_Watched):
    """A connection for one request after the other. Between two of them uvicorn's `timeout_keep_alive` counts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asks_since_s: float | None = time.monotonic()
        """When the request that is on its way began; None: none is."""
        self._bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read bodies in pieces that come from the heap: larger ones are mapped and unmapped each time."""
        if hasattr(transport, "max_size"):
            transport.max_size = _PIECE_BYTES
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        if self._asks_since_s is None:
            self._asks_since_s, self._bytes = time.monotonic(), 0
        self._bytes += len(data)
        super().data_received(data)
        if self.conn.their_state not in _ASKING:
            self._asks_since_s = None

    def _asks_for_s(self, now_s: float) -> float:
        since_s = self._asks_since_s
        return 0.0 if since_s is None else now_s - since_s - ASK_S - self._bytes / SLOWEST_BYTES_S
