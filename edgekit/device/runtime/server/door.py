"""The HTTP server: uvicorn's, on sockets that listen, until it is told to end."""

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

_MAX_HEAD_BYTES = 8 << 10
_IDLE_S = 60
"""How long a connection may lie idle between two requests."""


class HttpDoor:
    """Serves applications on sockets that listen."""

    def __init__(
        self, name: str, entries: Sequence[tuple[socket.socket, Any]], connection: Callable[..., H11Protocol], most: int
    ) -> None:
        """Serve nothing yet.

        Args:
            name: for the log.
            entries: sockets, bound and listening, each with an ASGI application. They are closed here.
            connection: the class of connections.
            most: connections at a time.
        """
        self._entries, self._connection, self._most = tuple(entries), connection, most
        self._log = FailureLog(name, time.monotonic)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._state = ServerState()
        self._over = asyncio.Event()
        self._ending = threading.Event()

    def serve(self, on_loop: Callable[[asyncio.AbstractEventLoop], None] = lambda _loop: None) -> None:
        """Serve on the calling thread until `end`; `on_loop` is called first."""
        asyncio.run(self._serve(on_loop))

    def end(self) -> None:
        """Have `serve` hang up and come back. Any thread."""
        self._ending.set()
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._over.set)

    async def admit(self, listener: socket.socket, application: Any) -> None:
        """One more entry, from now on. On the server's thread."""
        config = _configured(self._watched(application))
        make = partial(self._connection, most=self._most, config=config, server_state=self._state, app_state={})
        await asyncio.get_running_loop().create_server(make, sock=listener, backlog=self._most)

    async def _serve(self, on_loop: Callable[[asyncio.AbstractEventLoop], None]) -> None:
        self._over, self._loop = asyncio.Event(), asyncio.get_running_loop()
        on_loop(self._loop)
        for listener, application in self._entries:
            await self.admit(listener, application)
        if not self._ending.is_set():
            await self._over.wait()
        for connection in list(self._state.connections):
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
        timeout_keep_alive=_IDLE_S,
        h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
    )
    config.load()
    return config
