"""A worker's record of its scheduling, through its keeper. What comes is bounded."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from edgekit.errors import Unreachable
from edgekit.host.link.client import ANSWER_S, KeeperClient
from edgekit.schema.control import Event
from edgekit.schema.message import from_message_data
from edgekit.schema.trace import MAX_RECORD_BYTES, TracePiece

_HINT = "record it again"


def receive_record(
    keeper: KeeperClient, application: str, seconds: float, note: Callable[[str], None]
) -> tuple[str, bytes]:
    """Have an application recorded, and fetch the record.

    Args:
        keeper: the device's.
        application: which; empty: the only one there.
        seconds: for how long.
        note: is told what goes on meanwhile.

    Returns:
        The application's name, and the record: `schema.trace.unpack_record` reads it.

    Raises:
        NothingSelected: there is no such application, or it does not run.
        LockHeld: somebody records it already.
        InputError: the keeper there is older, or the time is out of range.
        Unreachable: the worker does not answer, or the link broke.
    """
    keeper.check_can("trace", "record what a scheduler decides")
    content = bytearray()

    def watch(event: Event) -> None:
        if event.data:
            _append(content, from_message_data(TracePiece, event.data, "a part of the record"))
        elif event.message:
            note(event.message)

    patience_s = ANSWER_S + seconds
    done = keeper.ask("trace", application=application, seconds=seconds, watch=watch, patience_s=patience_s)
    if done.get("bytes") != len(content):
        raise Unreachable("the record did not come whole", hint=_HINT)
    return str(done.get("application", application)), bytes(content)


def _append(content: bytearray, piece: TracePiece) -> None:
    try:
        data = base64.b64decode(piece.data, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if piece.offset != len(content) or not data or len(content) + len(data) > MAX_RECORD_BYTES:
        raise Unreachable("what comes is no part of a record", hint=_HINT)
    content += data
