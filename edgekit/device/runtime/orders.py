"""Reads what the keeper tells this worker: lines on the socket that reports go out on."""

from __future__ import annotations

import logging

from edgekit.errors import InputError
from edgekit.schema.message import from_message
from edgekit.schema.order import MAX_ORDER_BYTES, Order

_LOG = logging.getLogger("edgekit.orders")


class OrderReader:
    """Cuts lines and reads them. One that is too long, or no order, is passed over: the next one counts."""

    def __init__(self) -> None:
        self._unread = b""
        self._skips = False
        """Whether the rest of a line that was too long is still to come."""

    def feed(self, raw: bytes) -> list[Order]:
        """The orders that are whole with these bytes."""
        *lines, self._unread = (self._unread + raw).split(b"\n")
        found = []
        for line in lines:
            if self._skips:
                self._skips = False
            elif len(line) <= MAX_ORDER_BYTES:
                found += _read(line)
        if len(self._unread) > MAX_ORDER_BYTES:
            self._unread, self._skips = b"", True
        return found


def _read(line: bytes) -> list[Order]:
    try:
        return [from_message(Order, line, "keeper")]
    except InputError as error:
        _LOG.warning("the keeper says what this worker does not understand: %s", error.message[:200])
        return []
