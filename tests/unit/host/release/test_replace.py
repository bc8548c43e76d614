"""A folder is replaced whole or not at all, and what killed runs left is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.host.release.replace import folder_beside, replace_folder


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
