"""What one client asks of the deployment locks: to have one, to keep it, to take it from somebody."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.device.keeper.control.locks import DeploymentLocks
from edgekit.device.keeper.control.wire import Wire
from edgekit.device.keeper.process.journal import Journal
from edgekit.errors import InputError
from edgekit.schema.control import Event, Request
from edgekit.schema.names import is_application_name

_MAX_HOLDER_CHARACTERS = 200


class LockVerbs:
    """Of one connection."""

    def __init__(self, locks: DeploymentLocks, owner: object, wire: Wire, journal: Journal) -> None:
        """Hold nothing yet.

        Args:
            locks: of all connections.
            owner: stands for this one.
            wire: ends a connection with a lease that says nothing any more.
            journal: where it is written whose lock was broken.
        """
        self._locks, self._owner, self._wire, self._journal = locks, owner, wire, journal
        self._for_now: list[str] = []

    def lock(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        """Take one until it is given back, or the connection ends."""
        if not is_application_name(request.application):
            raise InputError(f"{request.application[:80]!r} is no application's name", hint="see schema/control.py")
        yield from self._take(request.application, request)
        self._wire.leased = request.lease
        yield Event(kind="done")

    def locked(self, application: str, request: Request) -> Iterator[Event]:
        """Take an application's lock for this request alone, in the way and for whom the request says.

        Raises:
            LockHeld: somebody else has it.
        """
        self._for_now.append(application)
        yield from self._take(application, request)

    def _take(self, application: str, request: Request) -> Iterator[Event]:
        holder = request.holder[:_MAX_HOLDER_CHARACTERS]
        taken = self._locks.take(application, self._owner, holder, by_force=request.break_lock)
        if taken:
            self._journal.write(f"keeper: {taken}")
            yield Event(kind="progress", message=taken)

    def need(self, application: str) -> None:
        """Take an application's lock for what is done next, or be the one who has it. Raises LockHeld."""
        self._locks.take(application, self._owner, "")

    def release(self, application: str) -> None:
        """Give one back."""
        self._locks.release(self._owner, application)

    @property
    def held(self) -> bool:
        """Whether the client has any."""
        return self._locks.has_any(self._owner)

    def rest(self) -> None:
        """A request was carried out."""
        self._locks.rest(self._owner)
        for application in self._for_now:
            self._locks.release(self._owner, application)
        self._for_now.clear()

    def leave(self) -> None:
        """The client is gone."""
        self._locks.leave(self._owner)
