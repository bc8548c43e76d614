"""How large a picture will be, told from its first bytes: before a decoder takes memory for it. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable

HEAD_BYTES = 1 << 20
"""What is looked at: a JPEG may hold a preview and a colour profile in front of its size."""
MAX_PIXELS = 200_000_000
"""The largest cameras have 150 megapixels; decoded, this is 600 MB."""
Size = tuple[int, int]
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""JPEG's markers of a frame. Source: ITU-T T.81, table B.1."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that no length follows."""


def picture_size(head: bytes) -> Size | None:
    """Width and height in pixels; None where it is no PNG, JPEG, BMP or WebP, or too damaged to tell.

    Args:
        head: the file's first bytes, `HEAD_BYTES` at most.
    """
    for magic, read in _READERS.items():
        if head.startswith(magic):
            try:
                width, height = read(head)
            except (struct.error, ValueError, IndexError):
                return None
            return (width, height) if width > 0 and height > 0 else None
    return None


def _png(head: bytes) -> Size:
    width, height = struct.unpack_from(">II", head, 16)
    return int(width), int(height)


def _bmp(head: bytes) -> Size:
    width, height = struct.unpack_from("<ii", head, 18)
    return int(width), abs(int(height))


def _webp(head: bytes) -> Size:
    """Source: RFC 9649, sections 2.5 to 2.7."""
    kind, body = head[12:16], head[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg(head: bytes) -> Size:
    offset = 2
    while True:
        if head[offset] != 0xFF:
            raise ValueError
        marker = head[offset + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, offset + 5)
            return int(width), int(height)
        if marker == 0xFF:  # padding
            offset += 1
        elif marker in _ALONE:
            offset += 2
        else:
            offset += 2 + int(struct.unpack_from(">H", head, offset + 2)[0])


_READERS: dict[bytes, Callable[[bytes], Size]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8\xff": _jpeg,
    b"BM": _bmp,
    b"RIFF": _webp,
}
