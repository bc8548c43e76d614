"""Small files of the kernel's, read many times a second by a program that must stay small."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from edgekit.device.keeper.process.kernel_files import number_of, table_of, text_of

MOST_BYTES = 256 << 10


@pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, 100_000])
def test_a_file_is_read_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    assert text_of(tmp_path / "file") == "x" * size


def test_what_is_too_long_is_cut(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * (MOST_BYTES + 5000))
    assert len(text_of(tmp_path / "file")) == MOST_BYTES


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    assert text_of(tmp_path / "none") == text_of(tmp_path) == ""
    assert number_of(tmp_path / "none") is None and table_of(tmp_path) == {}


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """Room for the largest one is mapped by the kernel and given back, page by page: ten times a second and worker."""
    (tmp_path / "memory.current").write_text("123456789\n")
    tracemalloc.start()
    try:
        assert number_of(tmp_path / "memory.current") == 123456789
        assert tracemalloc.get_traced_memory()[1] < 32 << 10
    finally:
        tracemalloc.stop()
