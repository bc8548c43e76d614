"""Clips as a keeper and a workstation speak of them: what a board keeps, and a piece of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edgekit.schema.bounds import Between, Matches
from edgekit.schema.message import Message
from edgekit.schema.names import TableName

MAX_PIECE_BYTES = 1 << 20
MAX_LISTED = 1000
"""Of each sink, the newest."""
MAX_NOTE_BYTES = 1 << 20
"""A note with the most events that it may have is half as long."""

CLIP_NAME = Matches("[0-9A-Za-z][0-9A-Za-z_.-]{0,190}[.](?:mp4|mkv)", "the name of a clip that ends in .mp4 or .mkv")
ClipName = Annotated[str, CLIP_NAME]
"""One file's, that begins with no dot: no path."""
_Size = Annotated[int, Between(0, 1 << 50)]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptClip(Message):
    """A clip that is whole."""

    sink: TableName
    """Whose it is: its folder has this name."""
    file: ClipName
    bytes: _Size
    note: str = ""
    """What lies beside it, a `ClipNote` as JSON; empty where that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPiece(Message):
    """Some of a clip's bytes, as base64: the protocol's lines are text."""

    bytes: _Size
    """Of the whole clip."""
    data: str = ""
    sha256: str = ""
    """Of the whole clip; with its last piece alone."""
