"""A note is read as it was written, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.host.notes import Notes


def test_a_note_is_remembered_and_replaced(tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")
    assert notes.read("a") is None
    for content in (b"one\n", b"", b"two"):
        notes.write("a", content)
        assert notes.read("a") == content
    assert [(entry.kind, entry.key) for entry in notes.entries()] == [("notes", "a")]


@pytest.mark.parametrize("damage", [b"", b"x" * 64, b"x" * 70])
def test_a_damaged_note_is_none(damage: bytes, tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.write("a", b"numpy==1\nopencv==2\n")
    (tmp_path / "a").write_bytes(damage)
    assert notes.read("a") is None


def test_a_note_that_was_cut_at_a_lines_end_is_none(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.write("a", b"numpy==1\nopencv==2\n")
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(whole.removesuffix(b"opencv==2\n"))
    assert notes.read("a") is None


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    for number in range(5):
        Notes(tmp_path, most=3).write(str(number), b"")
        os.utime(tmp_path / str(number), times=(1000 + number,) * 2)
    assert [entry.key for entry in Notes(tmp_path).entries()] == ["2", "3", "4"]


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    notes = Notes(tmp_path / "file")
    notes.write("a", b"text")
    assert notes.read("a") is None and notes.entries() == ()
