"""The keeper's socket: accepts clients, a bounded number of them, each on a thread of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from edgekit.device.keeper.control.places import KEPT_CONNECTIONS, MAX_CONNECTIONS, ClientPlace, Places
from edgekit.device.keeper.control.ration import Ration
from edgekit.device.keeper.control.session import Services, Session
from edgekit.device.keeper.control.trouble import unexpected
from edgekit.device.keeper.control.wire import USUAL, ClientPatience, PayloadCut, Wire, held_bytes
from edgekit.errors import EdgekitError, InputError, LockHeld, Unreachable
from edgekit.schema.control import Event, Request

_PAUSE_S = 0.2
"""After a failed accept: descriptors or memory are short, and the client still waits."""


class ControlServer:
    """Serves one socket until closed."""

    def __init__(
        self,
        services: Services,
        path: Path,
        *,
        group: int | None,
        log: Callable[[str], None],
        patience: ClientPatience = USUAL,
    ) -> None:
        """Bind and listen; the caller holds the keeper's lock, so a socket that is there is a dead one.

        Args:
            services: what the verbs act on.
            path: where the socket goes.
            group: the group that may use it beside its owner; None for the owner alone.
            log: where failures of the keeper itself are written.
            patience: how long clients are waited for.
        """
        self._services = services
        self._disk = services.disk
        self._log = log
        self._patience = patience
        self._places = Places()
        self._ration = Ration()
        self._closed = threading.Event()
        self._disk.remove(path)
        self._listener = socket.socket(socket.AF_UNIX)
        old = os.umask(0o177)
        try:
            self._listener.bind(os.fspath(path))
        finally:
            os.umask(old)
        if group is not None:
            self._disk.set_owner(path, 0, group)
            self._disk.set_mode(path, 0o660)
        self._listener.listen(MAX_CONNECTIONS)
        self._path = path

    def start(self) -> None:
        """Accept clients from now on, on a thread of its own."""
        threading.Thread(target=self._accept, name="control", daemon=True).start()

    def close(self) -> None:
        """Accept no more clients. Threads that serve end with the process."""
        self._closed.set()
        self._disk.remove(self._path)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`, which closing alone does not
        self._listener.close()

    def _accept(self) -> None:
        """Until the server is closed: whatever fails for one client, the next one is accepted."""
        told = ""
        while True:
            try:
                self._admit(self._listener.accept()[0])
            except Exception as error:  # descriptors, threads or memory are short
                if self._closed.wait(_PAUSE_S):
                    return
                if told != str(error):  # once, however often it is tried
                    told = str(error)
                    self._log(f"keeper: clients cannot be accepted now: {error!r}")

    def _admit(self, connection: socket.socket) -> None:
        place = self._places.take(connection)
        if place is None:
            self._turn_away(connection, f"{MAX_CONNECTIONS + KEPT_CONNECTIONS} clients are connected already")
            return
        try:
            threading.Thread(target=self._serve, args=(place,), name="client", daemon=True).start()
        except (RuntimeError, MemoryError) as error:  # no thread to be had
            self._places.give_back(place)
            self._turn_away(connection, f"a client cannot be served now: {error}")

    def _turn_away(self, connection: socket.socket, message: str) -> None:
        with connection, contextlib.suppress(OSError):
            Wire(connection, urgent=True).send(error_event(LockHeld(message, hint="try again soon")))

    def _serve(self, place: ClientPlace) -> None:
        session = Session(self._services, Wire(place.connection, urgent=place.urgent, patience=self._patience))
        try:
            with place.connection:
                self._answer_all(session, place)
        finally:
            session.close()
            self._places.give_back(place)

    def _answer_all(self, session: Session, place: ClientPlace) -> None:
        wire = session.wire
        while True:
            if not session.engaged:
                self._places.waits(place)
            try:
                request = wire.request()
                if request is None:
                    return
                place.idle_since_s = None
                with self._ration.share(held_bytes(request)):
                    self._answer(session, request)
            except (InputError, LockHeld, Unreachable) as error:
                wire.send(error_event(error))
                return
            session.tidy()

    def _answer(self, session: Session, request: Request) -> None:
        """Answer one request. Raises Unreachable where its payload does not come."""
        wire = session.wire
        try:
            payload = wire.payload(request.payload_bytes)
        except PayloadCut as cut:
            session.keep_part(request, cut.come)
            raise
        try:
            for event in session.answer(request, payload):
                wire.send(event)
            return
        except EdgekitError as error:
            told = error_event(error)
            _let_go(error)
        except Exception as error:
            self._log(traceback.format_exc())
            told = error_event(unexpected(error, self._disk, self._services.store.folder))
            _let_go(error)
        payload.clear()
        wire.send(told)


def _let_go(error: BaseException | None) -> None:
    """Free what an error holds of where it came from: payloads, for as long as they refer to it, and it to them."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def error_event(error: EdgekitError) -> Event:
    """An error as the last line of an answer; who holds a lock travels apart from the words, to be compared."""
    return Event(
        kind="error",
        message=error.message,
        exit_code=error.exit_code,
        hint=error.hint,
        details=error.details,
        data={"holder": error.holder} if isinstance(error, LockHeld) and error.holder else {},
    )
