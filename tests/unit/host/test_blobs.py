"""A file travels in pieces: whole, from any offset, compressed only where that makes it smaller."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.host.blobs import BlobPiece, cut_file


def joined(pieces: list[BlobPiece]) -> bytes:
    return b"".join(zlib.decompress(piece.payload) if piece.encoding == "zlib" else piece.payload for piece in pieces)


@given(content=st.binary(max_size=300), start=st.integers(0, 300), piece_bytes=st.integers(1, 64))
def test_what_is_left_comes_in_order_and_its_end_is_marked(
    content: bytes, start: int, piece_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    start = min(start, len(content))
    file = tmp_path_factory.mktemp("blob") / "file"
    file.write_bytes(content)
    pieces = list(cut_file(file, start, len(content), piece_bytes))
    assert joined(pieces) == content[start:]
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    offset = start
    for piece in pieces:
        assert piece.offset == offset
        assert piece.size_bytes <= piece_bytes
        offset += piece.size_bytes


def test_after_a_piece_that_does_not_shrink_nothing_is_compressed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(4096) + os.urandom(4096) + bytes(4096))
    pieces = list(cut_file(tmp_path / "file", 0, 3 * 4096, 4096))
    assert [piece.encoding for piece in pieces] == ["zlib", "raw", "raw"]
    assert [len(piece.payload) for piece in pieces][1:] == [4096, 4096]


def test_pieces_end_where_they_shall_and_noise_is_not_compressed(tmp_path: Path) -> None:
    noise = os.urandom(700_000)
    (tmp_path / "noise").write_bytes(noise)
    pieces = list(cut_file(tmp_path / "noise", 100, 600_000, 256 << 10))
    assert b"".join(piece.payload for piece in pieces) == noise[100:600_000]
    assert {piece.encoding for piece in pieces} == {"raw"}


def test_a_file_that_is_shorter_than_announced_has_no_last_piece(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    pieces = list(cut_file(tmp_path / "file", 0, 10, 2))
    assert joined(pieces) == b"abc"
    assert not any(piece.last for piece in pieces)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(cut_file(tmp_path / "file", 0, 1, 1))
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        list(cut_file(tmp_path, 0, 1, 1))
