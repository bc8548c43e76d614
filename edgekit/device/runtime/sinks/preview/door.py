"""The HTTP server: uvicorn's, with a door that lets in few, waits for nobody for long, and closes after each answer.

uvicorn bounds what it reads ahead and stops reading from who sends too much. What it lacks for a port that anybody may
reach stands here: how many connections there are at most, and how long each may take to ask and to read on.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from edgekit.device.runtime.failures import FailureLog

ASK_S = 10.0
"""How long a request may take to arrive."""
STILL_S = 20.0
"""How long who is being sent something may take nothing of it."""
LOOK_EVERY_S = 2.0
_MAX_HEAD_BYTES = 8 << 10
_SEND_BUFFER_BYTES = 64 << 10
"""In the kernel, for each connection: more would only be older pictures on their way."""


class GuardedConnection(H11Protocol):
    """One connection, looked at every now and then."""

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(**options)
        self._most = most
        self._began_s = self._moved_s = 0.0
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, or not."""
        if len(self.connections) >= self._most:
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        super().connection_made(transport)
        self._began_s = self._moved_s = time.monotonic()
        self._look()

    def data_received(self, data: bytes) -> None:
        """What comes behind a request is of no interest to anybody."""
        if self.cycle is None:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
        if self.transport is not None:
            super().connection_lost(exc)

    def _look(self) -> None:
        now_s, left = time.monotonic(), self.transport.get_write_buffer_size()
        if not left or left != self._left:
            self._left, self._moved_s = left, now_s
        if (self.cycle is None and now_s - self._began_s > ASK_S) or now_s - self._moved_s > STILL_S:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(LOOK_EVERY_S, self._look)


class HttpDoor:
    """Serves applications on sockets that listen."""

    def __init__(self, entries: Sequence[tuple[socket.socket, Any]], most: int) -> None:
        """Serve nothing yet.

        Args:
            entries: sockets, bound and listening, each with an ASGI application whose every answer says
                `connection: close`. They are closed here.
            most: connections at a time.
        """
        self._entries, self._most = tuple(entries), most
        self._log = FailureLog("preview", time.monotonic)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._ending = threading.Event()

    def serve(self, on_loop: Callable[[asyncio.AbstractEventLoop], None]) -> None:
        """Serve on the calling thread until `end`; `on_loop` is called first."""
        asyncio.run(self._serve(on_loop))

    def end(self) -> None:
        """Have `serve` hang up and come back. Any thread."""
        self._ending.set()
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._over.set)

    async def _serve(self, on_loop: Callable[[asyncio.AbstractEventLoop], None]) -> None:
        self._over, self._loop = asyncio.Event(), asyncio.get_running_loop()
        on_loop(self._loop)
        state = ServerState()
        for listener, application in self._entries:
            config = _configured(self._watched(application))
            make = partial(GuardedConnection, most=self._most, config=config, server_state=state, app_state={})
            await self._loop.create_server(make, sock=listener, backlog=self._most)
        if not self._ending.is_set():
            await self._over.wait()
        for connection in list(state.connections):
            connection.transport.abort()

    def _watched(self, application: Any) -> Any:
        """The application, with its failures told: uvicorn's log is off."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            try:
                await application(scope, receive, send)
            except h11.LocalProtocolError:
                pass  # garbage stood behind the request: uvicorn has answered that
            except Exception as error:
                self._log.write("failed to answer", error)
                raise

        return answer


def _configured(application: Any) -> Config:
    config = Config(
        application,
        log_config=None,
        log_level=logging.CRITICAL + 1,  # or who sends garbage writes the journal
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
    )
    config.load()
    return config
