"""Reads what a builder device answers. The device is not trusted: nothing that it sends is taken as it comes."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from edgekit.errors import EngineError, InputError
from edgekit.schema.message import Message, from_message_data
from edgekit.schema.plain_text import plain_data, plain_text
from edgekit.schema.reading import is_deep

_M = TypeVar("_M", bound=Message)
_LINE_LENGTH = 500
_DETAILS_LENGTH = 65536
_HINT = "build with another device (--builder root@HOST), and look at this one: its disk, its memory, its Python"


class BuilderFault(EngineError):
    """A device cannot compile, or does not answer as one that can: another may be asked, nothing of it is kept."""


def distrust(device: str, reason: str, *, details: str = "") -> BuilderFault:
    """The error where a device answers what no sound one answers."""
    return BuilderFault(f"the builder {device} cannot be trusted: {reason}", hint=_HINT, details=details)


def parse_answer(text: bytes, device: str) -> dict[str, Any]:
    """Parse a device's JSON object; control characters are taken out of every text in it.

    Raises:
        BuilderFault: it is none, or nested too deep to be an answer.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict):
        raise distrust(device, "it answers something else than a JSON object", details=details_of(text))
    if is_deep(raw):
        raise distrust(device, "its answer is nested deeper than any answer is")
    plain: dict[str, Any] = plain_data(raw)
    return plain


def read_answer(cls: type[_M], raw: dict[str, Any], device: str) -> _M:
    """Read a parsed answer as what it has to be.

    Raises:
        BuilderFault: it is something else, or out of bounds.
    """
    try:
        return from_message_data(cls, raw, "its answer")
    except InputError as error:
        raise distrust(device, one_line(error.message), details=error.details) from None


def one_line(text: str) -> str:
    """A text of a device as part of a sentence: one line of bounded length."""
    return " ".join(plain_text(text[: 4 * _LINE_LENGTH]).split())[:_LINE_LENGTH]


def details_of(text: str | bytes) -> str:
    """What a program over there has printed, for an error's details: the last of it."""
    text = text[-_DETAILS_LENGTH:]
    return plain_text(text if isinstance(text, str) else text.decode(errors="replace")).strip()
