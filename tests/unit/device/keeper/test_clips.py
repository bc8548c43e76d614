"""A worker writes what it likes into its folders; of that a keeper reads clips, and nothing else on the board."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from edgekit.device.keeper.clips import ClipShelf
from edgekit.errors import InputError, NothingSelected
from edgekit.schema.clips import MAX_LISTED, MAX_NOTE_BYTES, MAX_PIECE_BYTES
from edgekit.trust import sha256_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "work/clips"
    found.mkdir(parents=True)
    return found


@pytest.fixture
def shelf(folder: Path) -> ClipShelf:
    return ClipShelf(folder.parent, ("clips",))


def names(shelf: ClipShelf) -> list[str]:
    return [clip.file for clip in shelf.clips()]


def test_the_newest_come_first_with_their_notes(folder: Path, shelf: ClipShelf) -> None:
    for name in ("20260101T000000-000Z_a", "20270101T000000-000Z_b"):
        (folder / f"{name}.mp4").write_bytes(name.encode())
    (folder / "20260101T000000-000Z_a.json").write_text('{"a": 1}')
    newest, oldest = shelf.clips()
    assert (newest.file, newest.note) == ("20270101T000000-000Z_b.mp4", "")
    assert (oldest.sink, oldest.bytes, oldest.note) == ("clips", 22, '{"a": 1}')


def test_what_is_no_whole_clip_is_not_told(folder: Path, shelf: ClipShelf, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    (folder / "a.mp4.part").write_bytes(b"half")
    (folder / "other.txt").write_bytes(b"no clip")
    (folder / ".hidden.mp4").write_bytes(b"no name of a clip")
    (folder / "folder.mp4").mkdir()
    (folder / "link.mp4").symlink_to(secret)
    (folder / "hard.mp4").hardlink_to(secret)
    os.mkfifo(folder / "pipe.mp4")
    assert names(shelf) == []
    for name in ("link.mp4", "hard.mp4", "pipe.mp4", "folder.mp4", "other.txt", "../../secret", "a.mp4.part"):
        with pytest.raises(NothingSelected):
            shelf.piece("clips", name, 0)


def test_notes_that_lead_elsewhere_or_have_no_end_are_left_out(folder: Path, shelf: ClipShelf, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key")
    for name in ("link", "large", "binary"):
        (folder / f"{name}.mp4").write_bytes(b"film")
    (folder / "link.json").symlink_to(tmp_path / "secret")
    (folder / "large.json").write_bytes(b" " * (MAX_NOTE_BYTES + 1))
    (folder / "binary.json").write_bytes(b"\xff")
    assert [clip.note for clip in shelf.clips()] == ["", "", ""]


@pytest.mark.parametrize("linked", ["work", "clips"])
def test_a_folder_that_is_a_link_has_no_clips(tmp_path: Path, linked: str) -> None:
    elsewhere = tmp_path / "elsewhere/clips"
    elsewhere.mkdir(parents=True)
    (elsewhere / "a.mp4").write_bytes(b"somebody else's")
    work = tmp_path / "work"
    if linked == "work":
        work.symlink_to(elsewhere.parent)
    else:
        work.mkdir()
        (work / "clips").symlink_to(elsewhere)
    shelf = ClipShelf(work, ("clips",))
    assert names(shelf) == []
    with pytest.raises(NothingSelected):
        shelf.piece("clips", "a.mp4", 0)


def test_a_list_is_bounded(folder: Path, shelf: ClipShelf) -> None:
    for number in range(MAX_LISTED + 5):
        (folder / f"{number:05}.mp4").touch()
    listed = names(shelf)
    assert len(listed) == MAX_LISTED
    assert listed[-1] == "00005.mp4", "the oldest are left out"


def test_pieces_and_the_digest_with_the_last_one(folder: Path, shelf: ClipShelf) -> None:
    film = os.urandom(MAX_PIECE_BYTES + 10)
    (folder / "a.mp4").write_bytes(film)
    first, last = shelf.piece("clips", "a.mp4", 0), shelf.piece("clips", "a.mp4", MAX_PIECE_BYTES)
    assert base64.b64decode(first.data) + base64.b64decode(last.data) == film
    assert (first.sha256, last.sha256, first.bytes) == ("", sha256_bytes(film), len(film))
    assert shelf.piece("clips", "a.mp4", len(film)).sha256 == sha256_bytes(film), "of one that has come whole"
    for offset in (-1, len(film) + 1):
        with pytest.raises(InputError):
            shelf.piece("clips", "a.mp4", offset)


def test_no_other_sinks_folder_is_read(folder: Path, shelf: ClipShelf) -> None:
    (folder.parent / "other").mkdir()
    (folder.parent / "other/a.mp4").write_bytes(b"film")
    for sink in ("other", "", ".", "../work/clips"):
        with pytest.raises(NothingSelected):
            shelf.piece(sink, "a.mp4", 0)
