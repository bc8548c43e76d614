"""Framing on the control socket: one JSON object a line, and raw bytes after it. See `schema.control`."""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass

from edgekit.errors import InputError, LockHeld, Unreachable
from edgekit.schema.control import Event, Request
from edgekit.schema.control_bounds import LEASE_S, MAX_CHUNK_BYTES, MAX_PAYLOAD_BYTES, MAX_REQUEST_BYTES
from edgekit.schema.manifest import MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES
from edgekit.schema.message import from_message, to_line
from edgekit.schema.provenance import MAX_PROVENANCE_BYTES
from edgekit.schema.settings import MAX_SETTINGS_BYTES
from edgekit.schema.trust import MAX_TRUST_BYTES

URGENT_VERBS = frozenset({"hello", "status", "metrics", "stop", "start", "rollback"})
"""What helps a board in need, and is over soon: places are kept for it."""
LEAST_BYTES_PER_S, LEAST_LARGE_BYTES_PER_S = 100, 10_000
"""On the average: a payload that drips in more slowly is not waited for, the sooner the more of others it keeps out."""
_LARGE_BYTES = 1 << 20
_PIECE_BYTES = 1 << 14
_PAYLOADS = {
    "offer": MAX_PAYLOAD_BYTES,
    "chunk": MAX_CHUNK_BYTES,
    "patch": MAX_CHUNK_BYTES,
    "provenance": MAX_PROVENANCE_BYTES + MAX_SIGNATURE_BYTES,
    "activate": MAX_SETTINGS_BYTES,
    "settings": MAX_SETTINGS_BYTES,
    "trust": MAX_TRUST_BYTES,
    "permit": MAX_TRUST_BYTES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPatience:
    """How long a client is waited for."""

    idle_s: float = 900.0
    """Between two requests: it compiles, compresses, or asks its user."""
    lease_s: float = LEASE_S
    """The same of one that said that it would let itself be heard."""
    urgent_s: float = 5.0
    """Of one in a place that is kept for what must not wait: for a request, and until it has read its answer."""
    transfer_s: float = 60.0
    """For the rest of a line, and until an answer is read; in a payload, which must go on besides."""


USUAL = ClientPatience()
"""A board's."""


class PayloadCut(Unreachable):
    """A payload that ended early: its client went away, or is too slow."""

    def __init__(self, message: str, come: bytearray) -> None:
        """Say why it ended, and what had come of it."""
        super().__init__(message, hint="deploy again: it goes on where it was")
        self.come = come


class Wire:
    """One connection. One thread reads and writes it."""

    def __init__(self, connection: socket.socket, *, urgent: bool = False, patience: ClientPatience = USUAL) -> None:
        """Speak on a connection.

        Args:
            connection: to the client.
            urgent: whether it has a place that is kept for what must not wait: only that is taken from it, and soon.
            patience: how long the client is waited for.
        """
        self._connection = connection
        self._urgent = urgent
        self._patience = patience
        self.leased = False
        """Whether the client holds a lock for as long as it lets itself be heard."""
        self._buffer = bytearray()
        self._gone = False

    def request(self) -> Request | None:
        """The next request; its payload comes next. None where the client has closed, or says nothing any more.

        Raises:
            InputError: what came is no request. Nothing that follows can be trusted to be one.
            LockHeld: this place is kept for other requests.
            Unreachable: nothing was heard for so long that a lease is over.
        """
        line = self._line()
        if not line:
            return None
        request = from_message(Request, line, "request")
        if self._urgent and request.verb not in URGENT_VERBS:
            raise LockHeld("too many clients are connected already", hint="try again soon")
        if not 0 <= request.payload_bytes <= _PAYLOADS.get(request.verb, 0):
            raise InputError(f"{request.verb} takes no {request.payload_bytes} bytes", hint="see schema/control.py")
        return request

    def payload(self, size: int) -> bytearray:
        """The raw bytes after a request.

        Raises:
            PayloadCut: the client went away in the middle, or sends them too slowly.
        """
        payload = bytearray(size)
        have = min(size, len(self._buffer))
        payload[:have] = self._buffer[:have]
        del self._buffer[:have]
        view, began_s = memoryview(payload), time.monotonic()
        least = LEAST_LARGE_BYTES_PER_S if size > _LARGE_BYTES else LEAST_BYTES_PER_S
        while have < size:
            try:
                self._wait_until(began_s + self._patience.transfer_s + have / least)
                count = self._connection.recv_into(view[have:])
            except TimeoutError:
                raise PayloadCut("a payload came too slowly, or not at all", payload[:have]) from None
            except OSError:
                count = 0
            if not count:
                raise PayloadCut("the client went away in the middle of a payload", payload[:have])
            have += count
        return payload

    def send(self, event: Event) -> None:
        """Write one event. A client that has gone changes nothing: what it asked for goes on."""
        if self._gone:
            return
        try:
            self._connection.settimeout(self._patience.urgent_s if self._urgent else self._patience.transfer_s)
            self._connection.sendall(to_line(event))
        except OSError:
            self._gone = True

    @property
    def gone(self) -> bool:
        """Whether the client has hung up."""
        if not self._gone:
            poll = select.poll()
            poll.register(self._connection, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
            self._gone = bool(poll.poll(0))
        return self._gone

    def _line(self) -> bytes:
        """The next line; empty where the client has gone, or is silent for too long. Raises Unreachable."""
        patience = self._patience
        idle_s = patience.urgent_s if self._urgent else patience.lease_s if self.leased else patience.idle_s
        until_s, start = time.monotonic() + (patience.transfer_s if self._buffer else idle_s), 0
        while not (end := self._buffer.find(b"\n", start) + 1):
            start = len(self._buffer)
            if start > MAX_REQUEST_BYTES:
                raise InputError("a line without end", hint="see schema/control.py")
            try:
                self._wait_until(until_s)
                data = self._connection.recv(_PIECE_BYTES)
            except TimeoutError:
                if not self.leased:
                    return b""
                told = f"nothing was heard of you for {patience.lease_s:g} s: your deployment lock is given back"
                raise Unreachable(told, hint="deploy again: it goes on where it was") from None
            except OSError:
                return b""
            if not data:
                return b""
            if not start and not self._urgent:
                until_s = time.monotonic() + patience.transfer_s
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        return line

    def _wait_until(self, until_s: float) -> None:
        """Let the next read wait so long. Raises TimeoutError where that time is over."""
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)


def held_bytes(request: Request) -> int:
    """How much of the keeper's memory a request may take while it is carried out, by its payload."""
    payload = 2 * request.payload_bytes  # as it comes, and cut up or decoded
    match request.verb:
        case "offer":
            return payload + 2 * min(max(0, request.size_bytes), MAX_MANIFEST_BYTES)  # what a patch makes
        case "provenance":
            return payload + 2 * min(max(0, request.size_bytes), MAX_PROVENANCE_BYTES)
        case "chunk" if request.encoding == "zlib":
            return payload + MAX_CHUNK_BYTES
    return payload
