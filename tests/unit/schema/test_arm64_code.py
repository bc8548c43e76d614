"""Code said from the file's beginning and back: any bytes, in any pieces, and calls of one function look alike."""

from __future__ import annotations

import os
import struct

from hypothesis import given
from hypothesis import strategies as st

from edgekit.schema.arm64_code import WORD_BYTES, to_absolute, to_relative


def absolute(data: bytes) -> bytes:
    changed = bytearray(data)
    to_absolute(changed)
    return bytes(changed)


@given(st.binary(max_size=200), st.integers(0, 1 << 28))
def test_one_way_undoes_the_other(data: bytes, word: int) -> None:
    changed = bytearray(data)
    to_absolute(changed, word * WORD_BYTES)
    to_relative(changed, word * WORD_BYTES)
    assert bytes(changed) == data


def test_pieces_are_as_the_whole() -> None:
    data = os.urandom(100_003)
    pieces = []
    for at in range(0, len(data), 4096):
        piece = bytearray(data[at : at + 4096])
        to_absolute(piece, at)
        pieces.append(bytes(piece))
    assert b"".join(pieces) == absolute(data) != data


def test_calls_of_one_function_and_looks_at_one_page_are_one_number() -> None:
    def call(place: int, function: int) -> int:
        return 0x94000000 | (function - place) & 0x3FFFFFF

    def look(place: int, page: int) -> int:
        off = page - (place * WORD_BYTES >> 12) & 0x1FFFFF
        return 0x90000003 | (off & 3) << 29 | off >> 2 << 5

    words = [call(place, 7) if place % 2 else look(place, 5) for place in range(4000)]
    made = struct.unpack("<4000I", absolute(struct.pack("<4000I", *words)))
    assert set(made) == {call(0, 7), look(0, 5)}
