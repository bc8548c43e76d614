"""Where AArch64 code calls and looks, said from the file's beginning in place of from each instruction.

A compiler says how far off a function is. Where a few bytes come in, that changes in every call across them, and of a
newer library no part is like the older one's. Said from the file's beginning, a function is the same number in all its
calls, which is what patches live on. Both ways work on any bytes, and each undoes the other: nothing has to be known of
what is code.

Source: Arm ARM DDI 0487, C6.2: BL (26 bits, of words) and ADRP (21 bits, of pages of 4 KiB). XZ Utils' filter for ARM64
does alike; Python's `lzma` has no name for it.
"""

from __future__ import annotations

import re

WORD_BYTES = 4
_MARKS = re.compile(rb"[\x94-\x97\x90\xb0\xd0\xf0]")
"""The last byte of a BL or an ADRP: what else it says of the place stays among these."""
_BL, _BL_BITS = 0x94000000, 0x03FFFFFF
_ADRP_REST, _PAGES = 0x9F00001F, 0x1FFFFF


def to_absolute(data: bytearray, start_bytes: int = 0) -> None:
    """Change a piece of a file in place.

    Args:
        data: the piece; what is left behind its last whole word stays.
        start_bytes: where it lies in its file, a multiple of `WORD_BYTES`.
    """
    _shift(data, start_bytes // WORD_BYTES, 1)


def to_relative(data: bytearray, start_bytes: int = 0) -> None:
    """Undo `to_absolute`."""
    _shift(data, start_bytes // WORD_BYTES, -1)


def _shift(data: bytearray, start: int, sign: int) -> None:
    count = len(data) // WORD_BYTES
    marked = data[WORD_BYTES - 1 : count * WORD_BYTES : WORD_BYTES]
    with (
        memoryview(data) as all_bytes,
        all_bytes[: count * WORD_BYTES].cast("I") as words,
    ):  # little-endian, as all boards
        for found in _MARKS.finditer(marked):
            at = found.start()
            word, place = words[at], start + at
            if word & ~_BL_BITS == _BL:
                words[at] = _BL | (word + sign * place) & _BL_BITS
            else:
                page = (word >> 3 & 0x1FFFFC | word >> 29 & 3) + sign * (place >> 10) & _PAGES
                words[at] = word & _ADRP_REST | (page & 3) << 29 | page >> 2 << 5
