"""A compressed piece takes no more memory than the blob that it belongs to, whatever it would grow to."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from edgekit.device.keeper.update.inflate import inflate
from edgekit.errors import InputError


def test_a_bomb_is_refused_before_it_has_grown() -> None:
    bomb = bytearray(zlib.compress(bytes(64 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="does not fit its blob"):
            inflate(bomb, 1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("limit", [5, 6, 1000])
def test_a_piece_that_fits_is_whole(limit: int) -> None:
    assert inflate(bytearray(zlib.compress(b"piece")), limit) == b"piece"


def test_one_byte_too_many_is_too_many() -> None:
    with pytest.raises(InputError, match="does not fit its blob"):
        inflate(bytearray(zlib.compress(b"piece")), 4)
