"""Digests are remembered, and never believed when a file may have changed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgekit.host.notes import Notes
from edgekit.host.release.digests import FolderDigests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f" / "deep").mkdir(parents=True)
    (tmp_path / "f" / "deep" / "a").write_bytes(b"a")
    (tmp_path / "f" / "b").write_bytes(b"b")
    return tmp_path / "f"


def digests(folder: Path) -> dict[str, str] | None:
    found = FolderDigests(folder, folder.parent / "notes").entries()
    return None if found is None else {entry.path: entry.sha256 for entry in found}


def note(folder: Path) -> dict[str, Any]:
    """What is remembered."""
    (entry,) = Notes(folder.parent / "notes").entries()
    return json.loads(Notes(folder.parent / "notes").read(entry.key) or b"")


def write(folder: Path, text: str) -> None:
    (entry,) = Notes(folder.parent / "notes").entries()
    Notes(folder.parent / "notes").write(entry.key, text.encode())


def age(folder: Path) -> None:
    """Make the notes so young that they are believed: as if the files had been noted a minute later."""
    record = note(folder)
    write(folder, json.dumps(record | {"noted_ns": record["noted_ns"] + 60_000_000_000}))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_files_are_listed_by_path(folder: Path) -> None:
    assert digests(folder) == {"b": sha256(b"b"), "deep/a": sha256(b"a")}


def test_remembered_digests_are_used(folder: Path) -> None:
    digests(folder)
    age(folder)
    write(folder, json.dumps(note(folder)).replace(sha256(b"b"), "f" * 64))
    assert digests(folder) == {"b": "f" * 64, "deep/a": sha256(b"a")}


def test_a_changed_file_is_hashed_again_even_with_its_old_size_and_time(folder: Path) -> None:
    digests(folder)
    age(folder)
    before = (folder / "b").stat()
    (folder / "b").write_bytes(b"B")
    os.utime(folder / "b", ns=(before.st_atime_ns, before.st_mtime_ns))
    found = digests(folder)
    assert found is not None
    assert found["b"] == sha256(b"B")


def test_a_file_that_was_noted_right_after_a_change_is_not_believed(folder: Path) -> None:
    digests(folder)
    write(folder, json.dumps(note(folder)).replace(sha256(b"b"), "f" * 64))
    found = digests(folder)
    assert found is not None
    assert found["b"] == sha256(b"b")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"noted_ns": 9e99, "files": {"b": [1]}}', '{"noted_ns": "x"}'])
def test_damaged_notes_are_forgotten(folder: Path, text: str) -> None:
    digests(folder)
    write(folder, text)
    assert digests(folder) == {"b": sha256(b"b"), "deep/a": sha256(b"a")}


def test_what_no_release_holds_gives_nothing(folder: Path) -> None:
    (folder / "c").symlink_to("b")
    assert digests(folder) is None


def test_notes_that_cannot_be_written_do_no_harm(folder: Path) -> None:
    (folder.parent / "notes").write_text("a file")
    assert digests(folder) == {"b": sha256(b"b"), "deep/a": sha256(b"a")}
