"""A folder is replaced whole or not at all, and what killed runs left is removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.host.release.replace import folder_beside, replace_folder

KILLED = """
import os, sys
from pathlib import Path
from edgekit.host.release.replace import folder_beside
with folder_beside(Path(sys.argv[1])) as aside:
    (aside / "big").write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_folder_gets_its_name(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "release"
    with folder_beside(out) as aside:
        (aside / "made").mkdir()
        (aside / "made" / "file").write_text("new")
        replace_folder(aside / "made", out)
    assert (out / "file").read_text() == "new"
    assert names(out.parent) == ["release"]


def test_an_old_folder_is_exchanged_and_goes(tmp_path: Path) -> None:
    out = tmp_path / "release"
    out.mkdir()
    (out / "file").write_text("old")
    with folder_beside(out) as aside:
        (aside / "made").mkdir()
        (aside / "made" / "file").write_text("new")
        replace_folder(aside / "made", out)
        assert (aside / "made" / "file").read_text() == "old", "the old folder took the new one's place in one step"
    assert (out / "file").read_text() == "new"
    assert names(tmp_path) == ["release"]


def test_what_stands_in_the_way_is_told_and_stays(tmp_path: Path) -> None:
    with folder_beside(tmp_path / "release") as aside, pytest.raises(FileNotFoundError):
        replace_folder(aside / "never made", tmp_path / "release")
    assert names(tmp_path) == []


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    out = tmp_path / "release"
    done = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False, timeout=60)
    assert done.returncode == -9
    (left,) = tmp_path.iterdir()
    with folder_beside(out) as aside:
        assert names(tmp_path) == sorted([aside.name, left.name]), "so young that its maker may just have begun"
    os.utime(left, (0, 0))
    with folder_beside(out) as aside:
        assert names(tmp_path) == [aside.name]


def test_a_run_that_is_alive_keeps_its_folder(tmp_path: Path) -> None:
    with folder_beside(tmp_path / "release") as first:
        os.utime(first, (0, 0))
        with folder_beside(tmp_path / "release") as second:
            assert names(tmp_path) == sorted([first.name, second.name])


def test_strangers_of_like_name_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ".edgekit-release-notes").write_text("mine")
    (tmp_path / ".edgekit-release-link").symlink_to(tmp_path / "mine")
    os.utime(tmp_path / ".edgekit-release-notes", (0, 0))
    os.utime(tmp_path / ".edgekit-release-link", (0, 0), follow_symlinks=False)
    with folder_beside(tmp_path / "release"):
        assert (tmp_path / ".edgekit-release-notes").read_text() == "mine"
        assert (tmp_path / "mine").is_dir()
