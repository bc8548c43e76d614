"""A folder goes whole, however deep it is, and nothing outside goes with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.update.removal import take_apart
from tests.fakes.recording import Call, RecordingFilesystem


class PowerCut(BaseException):
    """Nothing catches this: the machine is off."""


class CutFilesystem(RecordingFilesystem):
    """Carries out so many calls and no more."""

    def __init__(self, root: Path, calls: int) -> None:
        super().__init__(root)
        self._left = calls

    def note(self, call: Call) -> None:
        self._left -= 1
        if self._left < 0:
            raise PowerCut


def fill(folder: Path) -> None:
    """Files, folders and names as a removal gives them itself."""
    for name in ("a/b/c/d", "a/b/.0/x", ".0/.0/.0", ".1", "e"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").touch()
    (folder / "file").touch()
    (folder / ".2").touch()


def test_a_folder_goes_with_all_that_is_in_it_and_twice_is_once(tmp_path: Path) -> None:
    fill(tmp_path / "gone")
    (tmp_path / "stays").mkdir()
    for _ in range(2):
        take_apart(Filesystem(), tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["stays"]


def test_links_go_and_not_what_they_name(tmp_path: Path) -> None:
    fill(tmp_path / "kept")
    folder = tmp_path / "gone"
    (folder / "in").mkdir(parents=True)
    for place in (folder, folder / "in"):
        (place / "folder").symlink_to(tmp_path / "kept")
        (place / "file").symlink_to(tmp_path / "kept/file")
    take_apart(Filesystem(), folder)
    take_apart(Filesystem(), tmp_path / "kept/file")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    take_apart(Filesystem(), tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/a/b/c/d/file").exists()


def test_a_folder_deeper_than_any_path_goes(tmp_path: Path) -> None:
    """A worker may make it: 1200 levels are too much for a path, for the stack, and for descriptors."""
    (tmp_path / "gone").mkdir()
    here = os.open(tmp_path / "gone", os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    take_apart(Filesystem(), tmp_path / "gone")
    assert not list(tmp_path.iterdir())


def test_a_removal_that_was_cut_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    cut = True
    step = 0
    while cut:
        folder = tmp_path / str(step)
        fill(folder)
        try:
            take_apart(CutFilesystem(tmp_path, step), folder)
            cut = False
        except PowerCut:
            step += 1
        take_apart(Filesystem(), folder)
        assert not folder.exists()
    assert step > 20


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    class Stuck(Filesystem):
        def remove_within(self, path: Path, folder: int) -> None:
            raise PermissionError(1, "Operation not permitted", str(path))

    fill(tmp_path / "gone")
    with pytest.raises(PermissionError):
        take_apart(Stuck(), tmp_path / "gone")
