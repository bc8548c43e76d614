"""Clips on a device, through its keeper: which there are, and their bytes. What comes is bounded and checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from edgekit.errors import InputError, Unreachable
from edgekit.host.link.client import KeeperClient
from edgekit.schema.clips import MAX_PIECE_BYTES, ClipPiece, KeptClip
from edgekit.schema.control import Event
from edgekit.schema.message import from_message_data
from edgekit.trust import sha256_file

_MOST = 20_000
"""Clips of one application: more than any keeper lists."""


def list_clips(keeper: KeeperClient, application: str) -> tuple[str, list[KeptClip]]:
    """The application's name, and its clips as the keeper tells them.

    Args:
        keeper: the device's.
        application: whose; empty: the only one there.

    Raises:
        NothingSelected: there is no such application, or several and none is named.
        InputError: the keeper there is older, or tells what is no clip: a name that is a path, say.
    """
    keeper.check_can("clips", "hand out clips")
    found: list[KeptClip] = []

    def note(event: Event) -> None:
        if len(found) >= _MOST:
            raise InputError(f"{application or 'the application'} has no end of clips", hint="look at its folder there")
        found.append(from_message_data(KeptClip, event.data, "a clip's description"))

    data = keeper.ask("clips", application=application, watch=note)
    return str(data.get("application", application)), found


def receive_clip(
    keeper: KeeperClient, application: str, clip: KeptClip, part: Path, advance: Callable[[int], None]
) -> None:
    """Bring a clip into a file, from where an earlier try has ended.

    Args:
        keeper: the device's.
        application: whose clip it is.
        clip: which, as it was listed.
        part: the file: what is in it is taken for the clip's beginning, and the digest of the whole tells.
        advance: called with the bytes of each piece.

    Raises:
        NothingSelected: it is there no more.
        Unreachable: the link broke, and what has come stays in `part`; or it came damaged, and `part` is gone.
    """
    with part.open("ab") as file:
        sha256 = _receive(keeper, application, clip, file, advance)
    if sha256_file(part) != sha256:
        part.unlink()
        raise Unreachable(f"{clip.file} arrived damaged", hint="fetch it again: it begins anew")


def _receive(
    keeper: KeeperClient, application: str, clip: KeptClip, file: BinaryIO, advance: Callable[[int], None]
) -> str:
    """Append what is missing; gives the digest of the whole."""
    if file.tell() > clip.bytes:
        file.truncate(0)
        file.seek(0)
    advance(file.tell())
    while True:
        answer = keeper.ask("clip", application=application, sink=clip.sink, file=clip.file, offset=file.tell())
        piece = from_message_data(ClipPiece, answer, f"a piece of {clip.file}")
        data = _decoded(piece, clip)
        if piece.bytes != clip.bytes or file.tell() + len(data) > clip.bytes or not (data or piece.sha256):
            raise Unreachable(f"{clip.file} is another than was listed", hint="fetch it again")
        file.write(data)
        advance(len(data))
        if piece.sha256:
            return piece.sha256


def _decoded(piece: ClipPiece, clip: KeptClip) -> bytes:
    try:
        data = base64.b64decode(piece.data, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) > MAX_PIECE_BYTES or (piece.data and not data):
        raise Unreachable(f"what comes of {clip.file} is no piece of a clip", hint="edgekit provision the device again")
    return data
