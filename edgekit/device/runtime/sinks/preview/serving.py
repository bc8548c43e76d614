"""The thread that serves viewers: it opens the places where they come in, and loads what serves them. No lane waits."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.schedule.pinning import give_way, name_thread
from edgekit.device.runtime.sinks.preview.newest import NewestJpegs
from edgekit.device.runtime.sinks.preview.service import PreviewService, TokenGate
from edgekit.schema.sink import PreviewSink

if TYPE_CHECKING:
    from edgekit.device.runtime.server.door import HttpDoor

MIN_TOKEN = 16
_SPARE_CONNECTIONS = 8
"""Beside those that look: the page itself, its state, who is turned away."""


class PreviewServer:
    """Serves one service on the keeper's socket and, where the recipe says so, on a port."""

    def __init__(
        self, plan: PreviewSink, service: PreviewService, listener: socket.socket | None, figures: SinkFigures
    ) -> None:
        """Serve nothing yet.

        Args:
            plan: says whether there is a port, and how many may look.
            service: answers.
            listener: the keeper's socket; it is closed here.
            figures: say what cannot be opened.
        """
        self._plan, self._service, self._listener, self._figures = plan, service, listener, figures
        self._thread: threading.Thread | None = None
        self._door: HttpDoor | None = None
        self._closing = threading.Event()

    def start(self, name: str, newest: NewestJpegs) -> None:
        """Serve from now on, on a thread of this name."""
        self._thread = threading.Thread(target=self._run, args=(name, newest), name=name, daemon=True)
        self._thread.start()

    def close(self, within_s: float) -> None:
        """Hang up, and end the thread."""
        self._closing.set()
        if (door := self._door) is not None:
            door.end()
        if self._thread is not None:
            self._thread.join(within_s)
        elif self._listener is not None:
            self._listener.close()

    def _run(self, name: str, newest: NewestJpegs) -> None:
        name_thread(name, threading.get_native_id(), Path("/proc"))
        give_way()
        log = logging.getLogger(f"edgekit.sink.{name.partition('/')[0]}")
        try:
            from edgekit.device.runtime.server.connections import OneAnswer  # noqa: PLC0415  boards have uvicorn
            from edgekit.device.runtime.server.door import HttpDoor  # noqa: PLC0415

            entries = self._entries()
            if self._figures.trouble:
                log.warning("%s", self._figures.trouble)
            self._door = HttpDoor("preview", entries, OneAnswer, self._plan.viewers + _SPARE_CONNECTIONS)
            if not self._closing.is_set():
                self._door.serve(newest.serve_on)
        except Exception as error:  # a thread would end by it without a word
            self._figures.trouble = f"ended: {error}"
            log.exception("ended, and shows nothing any more")
        finally:
            if self._listener is not None:
                self._listener.close()

    def _entries(self) -> list[tuple[socket.socket, Any]]:
        """Where viewers come in, and what answers them there: who may reach the keeper's socket is let in."""
        troubles, entries = list[str](), list[tuple[socket.socket, Any]]()
        if self._listener is not None:
            entries.append((self._listener, self._service))
        else:
            troubles.append("`edgekit view` does not reach it: the keeper gave it no socket, provision the board again")
        if self._plan.port is not None:
            entries += self._port(self._plan.port, troubles)
        self._figures.trouble = "; ".join(troubles)
        return entries

    def _port(self, port: int, troubles: list[str]) -> list[tuple[socket.socket, Any]]:
        address, token = self._plan.address, self._plan.token or ""
        if len(token) < MIN_TOKEN:
            troubles.append(f"port {port} is not opened: the token has fewer than {MIN_TOKEN} characters")
            return []
        try:
            family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            return [(socket.create_server((address, port), family=family), TokenGate(self._service, token))]
        except OSError as error:
            troubles.append(f"port {port} at {address} cannot be opened: {error.strerror}")
            return []
