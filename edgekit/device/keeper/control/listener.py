"""The keeper's socket: accepts clients, a bounded number of them, each on a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from edgekit.device.keeper.control.session import Services, Session
from edgekit.device.keeper.control.wire import Wire
from edgekit.errors import EdgekitError, InputError, LockHeld, RolloutError, Unreachable
from edgekit.schema.control import Event

MAX_CONNECTIONS = 16
KEPT_CONNECTIONS = 4
"""More, for what must not wait: clients that deploy, follow logs or sleep cannot shut out who stops or rolls back."""
_PAUSE_S = 0.2
"""After a failed accept: descriptors or memory are short, and the client still waits."""


class ControlServer:
    """Serves one socket until closed."""

    def __init__(self, services: Services, path: Path, *, group: int | None, log: Callable[[str], None]) -> None:
        """Bind and listen; the caller holds the keeper's lock, so a socket that is there is a dead one.

        Args:
            services: what the verbs act on.
            path: where the socket goes.
            group: the group that may use it beside its owner; None for the owner alone.
            log: where failures of the keeper itself are written.
        """
        self._services = services
        self._disk = services.disk
        self._log = log
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._kept = threading.BoundedSemaphore(KEPT_CONNECTIONS)
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
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closed.wait(_PAUSE_S):
                    return
                self._log(f"a client cannot be accepted now: {error.strerror}")
                continue
            place = next((place for place in (self._slots, self._kept) if place.acquire(blocking=False)), None)
            if place is None:
                self._turn_away(connection, f"{MAX_CONNECTIONS + KEPT_CONNECTIONS} clients are connected already")
                continue
            try:
                threading.Thread(target=self._serve, args=(connection, place), name="client", daemon=True).start()
            except RuntimeError as error:  # no thread to be had
                place.release()
                self._turn_away(connection, f"a client cannot be served now: {error}")

    def _turn_away(self, connection: socket.socket, message: str) -> None:
        with connection, contextlib.suppress(OSError):
            Wire(connection).send(error_event(LockHeld(message, hint="try again soon")))

    def _serve(self, connection: socket.socket, place: threading.BoundedSemaphore) -> None:
        session = Session(self._services, Wire(connection, urgent=place is self._kept))
        try:
            with connection:
                self._answer_all(session)
        finally:
            session.close()
            place.release()

    def _answer_all(self, session: Session) -> None:
        wire = session.wire
        while True:
            try:
                found = wire.request()
            except (InputError, LockHeld) as error:
                wire.send(error_event(error))
                return
            except Unreachable:
                return
            if found is None:
                return
            try:
                for event in session.answer(*found):
                    wire.send(event)
            except EdgekitError as error:
                wire.send(error_event(error))
            except Exception as error:
                self._log(traceback.format_exc())
                wire.send(_unexpected(error))
            session.tidy()


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


def _unexpected(error: Exception) -> Event:
    """A full disk is found in many places, temporary files among them; all else is a bug."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space below /var/lib/edgekit and /tmp there, and deploy again"
        return error_event(RolloutError("the device's disk is full", hint=hint))
    return Event(kind="error", message=f"the keeper failed: {error!r}", exit_code=1, hint="edgekit logs")
