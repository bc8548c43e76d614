"""Patches: how a file travels as what makes it out of another one that the board has, or out of nothing.

A patch is one byte, a `PatchKind`, and then a raw LZMA2 stream whose dictionary begins with the base, the older file;
without a base it is the file, packed. Of AArch64 code both are `arm64_code.to_absolute` first. Whoever applies it feeds
the base first, as uncompressed LZMA2 chunks, which Python's own `lzma` takes: so a board needs no other library.
Nothing in a patch is trusted. It is applied by a child without rights, in bounded memory, to an output of the size that
the signed manifest gives, and the digest decides.

Source: XZ Utils, liblzma/lzma2_decoder.c: control byte 1 is an uncompressed chunk that resets the dictionary, 2 one
that goes on with it; two bytes follow, the chunk's size less one, big-endian.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

MAX_BASE_BYTES = 64 << 20
"""A larger file is no base: its patch would take more of a small board's memory than one deployment may."""
MAX_PATCHED_BYTES = 256 << 20
"""A larger file travels whole."""
PATCH_NAME_CHARS = 16
"""Of a patch's SHA-256: enough to tell it from another one for the same file, and to notice a torn one."""


class PatchKind(enum.IntEnum):
    """What base and file are before LZMA sees them."""

    PLAIN = 0
    """As they are."""
    ARM64_CODE = 1


_WINDOW_BYTES = 8 << 20
"""How far back a patch may also point into the new file itself."""
_ALIGNED = (1 << 20) - 1
_CHUNK_BYTES = 1 << 16


def dictionary_bytes(base_bytes: int, size_bytes: int) -> int:
    """The dictionary of a patch from `base_bytes` to `size_bytes`: it bounds the memory on both sides."""
    return (base_bytes + min(size_bytes, _WINDOW_BYTES) + _ALIGNED) & ~_ALIGNED


def base_chunks(base: Iterator[bytes]) -> Iterator[bytes]:
    """A base, given in pieces of 64 KiB at most, as the LZMA2 chunks that fill a decoder's dictionary with it."""
    control = 1
    for piece in base:
        yield bytes((control,)) + (len(piece) - 1).to_bytes(2, "big") + piece
        control = 2


def pieces_of(data: bytes) -> Iterator[bytes]:
    """Bytes in pieces as `base_chunks` takes them."""
    return (data[at : at + _CHUNK_BYTES] for at in range(0, len(data), _CHUNK_BYTES))
