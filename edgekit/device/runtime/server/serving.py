"""The thread that serves models: it opens the places where clients come in, and loads what serves them."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.device.runtime.schedule.pinning import give_way, name_thread, pin_thread
from edgekit.device.runtime.server.figures import ServingFigures
from edgekit.device.runtime.server.service import BearerGate, OipService
from edgekit.schema.serve import MIN_TOKEN, Serve, is_loopback

if TYPE_CHECKING:
    from edgekit.device.runtime.server.door import HttpDoor

NAME = "serve"
"""Of the thread."""
_SPARE_CONNECTIONS = 56
"""Beside those of requests: who looks, who is turned away, who keeps one for later."""
_AGAIN_S = 5.0
"""From one try to open a port that somebody else has to the next."""
_LOOK_S = 0.01


class ModelServer:
    """Serves one service on the keeper's socket and on a port."""

    def __init__(
        self,
        plan: Serve,
        service: OipService,
        figures: ServingFigures,
        listener: socket.socket | None,
        cpus: tuple[int, ...] = (),
    ) -> None:
        """Serve nothing yet.

        Args:
            plan: says where, and to whom.
            service: answers.
            figures: say where it is reached, and what cannot be opened.
            listener: the keeper's socket; it is closed here. None: no keeper gave one.
            cpus: where its thread runs; none: wherever the process may.
        """
        self._plan, self._service, self._figures, self._listener = plan, service, figures, listener
        self._cpus = cpus
        self._thread: threading.Thread | None = None
        self._door: HttpDoor | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing = threading.Event()
        self._log = logging.getLogger("edgekit.serve")

    def start(self) -> None:
        """Serve from now on, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Take no request from now on; those under way go on."""
        self._service.closing = True

    def close(self, within_s: float) -> None:
        """Wait for answers that are on their way, then hang up and end the thread."""
        self.drain()
        until_s = time.monotonic() + within_s
        while self._figures.under_way and time.monotonic() < until_s:
            time.sleep(_LOOK_S)
        self._closing.set()
        if (door := self._door) is not None:
            door.end()
        if self._thread is not None:
            self._thread.join(max(_LOOK_S, until_s - time.monotonic()))
        elif self._listener is not None:
            self._listener.close()

    def _run(self) -> None:
        name_thread(NAME, threading.get_native_id(), Path("/proc"))
        pin_thread(NAME, self._cpus, advisory=True)
        give_way()
        try:
            from edgekit.device.runtime.server.connections import ManyRequests  # noqa: PLC0415  boards have uvicorn
            from edgekit.device.runtime.server.door import HttpDoor  # noqa: PLC0415

            entries = [(self._listener, self._service)] if self._listener is not None else []
            self._door = HttpDoor(NAME, entries, ManyRequests, self._plan.requests + _SPARE_CONNECTIONS)
            if not self._closing.is_set():
                self._door.serve(self._begin)
        except Exception as error:  # a thread would end by it without a word
            self._figures.trouble = f"ended: {error}"
            self._log.exception("ended, and serves nothing any more")
        finally:
            self._figures.addresses = ()
            if self._listener is not None:
                self._listener.close()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._figures.addresses = ("socket",) if self._listener is not None else ()
        if self._plan.port:
            self._opening = loop.create_task(self._open_port())

    async def _open_port(self) -> None:
        """Try until it works: another program may have the port, and may leave it."""
        address, port, token = self._plan.address, self._plan.port, self._plan.token
        assert self._door is not None
        if closed := _kept_closed(address, token):
            self._trouble(f"port {port} is not opened: {closed}")
            return
        gate = self._service if token is None else BearerGate(self._service, token)
        while True:
            try:
                listener = _listening(address, port)
                break
            except OSError as error:
                self._trouble(f"port {port} at {address} cannot be opened: {error.strerror}")
            await asyncio.sleep(_AGAIN_S)
        await self._door.admit(listener, gate)
        self._trouble("")
        shown = f"[{address}]" if ":" in address else address
        self._figures.addresses = (f"{shown}:{port}", *self._figures.addresses)

    def _trouble(self, words: str) -> None:
        if words and words != self._figures.trouble:
            self._log.warning("%s", words)
        self._figures.trouble = words


def _kept_closed(address: str, token: str | None) -> str:
    """Why a port may not be opened; empty where it may."""
    if token is not None and len(token) < MIN_TOKEN:
        return f"the token has fewer than {MIN_TOKEN} characters"
    if token is None and not is_loopback(address):
        return f"others reach {address}, and there is no token"
    return ""


def _listening(address: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((address, port), family=family)
