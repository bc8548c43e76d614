"""A request as it travels to a keeper: a line, and its payload after it. See `schema.control`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.schema.control import Request, Verb
from edgekit.schema.message import to_line


def request_line(verb: Verb, payload: bytes, fields: Mapping[str, Any]) -> bytes:
    """What goes before a payload."""
    return to_line(Request(verb=verb, payload_bytes=len(payload), **fields))


def packed_bytes(verb: Verb, payload: bytes, fields: Mapping[str, Any]) -> int:
    """What a request takes on its way, without SSH's own."""
    return len(request_line(verb, payload, fields)) + len(payload)
