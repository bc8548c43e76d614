"""Unpacks what a client sent packed, and no more of it than it may be."""

from __future__ import annotations

import zlib

from edgekit.errors import InputError


def inflate(payload: bytes | bytearray, limit: int, *, cut: bool = False, of: str = "blob") -> bytes:
    """Decompress at most `limit` bytes: a piece cannot grow past what it belongs to.

    Args:
        payload: the piece.
        limit: what is left of that, and no more than one may hold at all.
        cut: whether it may end early.
        of: what it belongs to, for people.

    Raises:
        InputError: not zlib's format, cut short, or larger than what is left.
    """
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(payload, max(1, limit))
    except zlib.error as error:
        raise InputError(f"a piece is damaged: {error}", hint="deploy again") from None
    if not (inflater.eof or cut) or len(data) > limit:
        raise InputError(f"a piece does not fit its {of}", hint="deploy again")
    return data
