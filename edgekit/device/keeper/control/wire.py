"""Framing on the control socket: one JSON object a line, and raw bytes after it. See `schema.control`."""

from __future__ import annotations

import select
import socket

from edgekit.errors import InputError, LockHeld, Unreachable
from edgekit.schema.control import MAX_CHUNK_BYTES, MAX_LINE_BYTES, MAX_PAYLOAD_BYTES, Event, Request
from edgekit.schema.manifest import MAX_SIGNATURE_BYTES
from edgekit.schema.message import from_message, to_line
from edgekit.schema.provenance import MAX_PROVENANCE_BYTES
from edgekit.schema.settings import MAX_SETTINGS_BYTES
from edgekit.schema.trust import MAX_TRUST_BYTES

IDLE_S = 900.0
"""How long a client may be silent between two requests: it compiles, compresses, or asks its user."""
URGENT_VERBS = frozenset({"hello", "status", "metrics", "stop", "start", "rollback"})
"""What helps a board in need, and is over soon: places are kept for it."""
URGENT_IDLE_S = 5.0
"""How long a client in such a place may be silent."""
TRANSFER_S = 60.0
"""How long one read or write in the middle of something may wait."""
_PIECE_BYTES = 1 << 16
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


class Wire:
    """One connection. One thread reads and writes it."""

    def __init__(self, connection: socket.socket, *, urgent: bool = False) -> None:
        """Speak on a connection.

        Args:
            connection: to the client.
            urgent: whether it has a place that is kept for what must not wait: only that is taken from it, and soon.
        """
        self._connection = connection
        self._urgent = urgent
        self._buffer = bytearray()
        self._gone = False

    def request(self) -> tuple[Request, bytearray] | None:
        """The next request and its payload; None where the client has closed, or says nothing any more.

        Raises:
            InputError: what came is no request. Nothing that follows can be trusted to be one.
            LockHeld: this place is kept for other requests.
        """
        line = self._line()
        if not line:
            return None
        request = from_message(Request, line, "request")
        if self._urgent and request.verb not in URGENT_VERBS:
            raise LockHeld("too many clients are connected already", hint="try again soon")
        if not 0 <= request.payload_bytes <= _PAYLOADS.get(request.verb, 0):
            raise InputError(f"{request.verb} takes no {request.payload_bytes} bytes", hint="see schema/control.py")
        return request, self._payload(request.payload_bytes)

    def send(self, event: Event) -> None:
        """Write one event. A client that has gone changes nothing: what it asked for goes on."""
        if self._gone:
            return
        try:
            self._connection.settimeout(TRANSFER_S)
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

    @property
    def _idle_s(self) -> float:
        return URGENT_IDLE_S if self._urgent else IDLE_S

    def _line(self) -> bytes:
        end, start = self._buffer.find(b"\n") + 1, 0
        while not end:
            start = len(self._buffer)
            if start > MAX_LINE_BYTES:
                raise InputError("a line without end", hint="see schema/control.py")
            if not self._fill(TRANSFER_S if self._buffer else self._idle_s):
                return b""
            end = self._buffer.find(b"\n", start) + 1
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        return line

    def _payload(self, size: int) -> bytearray:
        payload = self._buffer[:size]
        del self._buffer[:size]
        have = len(payload)
        payload.extend(bytes(size - have))
        view = memoryview(payload)
        self._connection.settimeout(TRANSFER_S)
        while have < size:
            try:
                count = self._connection.recv_into(view[have:])
            except OSError:
                count = 0
            if not count:
                raise Unreachable("the client went away in the middle of a payload", hint="deploy again")
            have += count
        return payload

    def _fill(self, timeout_s: float) -> bool:
        try:
            self._connection.settimeout(timeout_s)
            data = self._connection.recv(_PIECE_BYTES)
        except OSError:
            return False
        self._buffer += data
        return bool(data)
