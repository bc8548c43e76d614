"""What a program in the sandbox leaves is read as a file of its own, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.host.sandbox.left import open_left, read_left


def test_a_regular_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    (tmp_path / "left").write_bytes(b"abcdef")
    assert read_left(tmp_path / "left", 100) == b"abcdef"
    assert read_left(tmp_path / "left", 2) == b"ab"


@pytest.mark.parametrize(
    "leave",
    [
        lambda file: None,
        Path.mkdir,
        os.mkfifo,
        lambda file: file.symlink_to(__file__),
        lambda file: file.symlink_to("/dev/zero"),
    ],
)
def test_nothing_else_is(leave, tmp_path: Path) -> None:
    leave(tmp_path / "left")
    assert open_left(tmp_path / "left") is None
    assert read_left(tmp_path / "left", 100) == b""
