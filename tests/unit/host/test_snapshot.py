"""A snapshot differs whenever anything that a build could read has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.host.snapshot import take_snapshot


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recipe"
    (made / "app").mkdir(parents=True)
    (made / "recipe.toml").write_text("name")
    (made / "app" / "stage.py").write_text("code")
    (tmp_path / "key").write_text("key")
    return made


def digest(folder: Path) -> str:
    found = take_snapshot([folder], [folder.parent / "key"])
    assert found is not None
    return found.digest


def test_nothing_changed_is_the_same(folder: Path) -> None:
    assert digest(folder) == digest(folder)


@pytest.mark.parametrize(
    "change", ["edited", "edited, time put back", "added", "gone", "renamed", "mode", "key", "key gone"]
)
def test_every_change_shows(folder: Path, change: str) -> None:
    before, file = digest(folder), folder / "app" / "stage.py"
    times = file.stat()
    match change:
        case "edited":
            file.write_text("CODE")
        case "edited, time put back":
            file.write_text("CODE")
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        case "added":
            (folder / "app" / "more.py").touch()
        case "gone":
            file.unlink()
        case "renamed":
            file.rename(folder / "app" / "other.py")
        case "mode":
            file.chmod(0o755)
        case "key":
            (folder.parent / "key").write_text("another")
        case "key gone":
            (folder.parent / "key").unlink()
    assert digest(folder) != before


def test_the_newest_change_is_told(folder: Path) -> None:
    found = take_snapshot([folder], [])
    assert found is not None
    assert found.newest_ns >= (folder / "app" / "stage.py").stat().st_ctime_ns


def test_bytecode_does_not_count(folder: Path) -> None:
    before = digest(folder)
    (folder / "app" / "__pycache__").mkdir()
    (folder / "app" / "__pycache__" / "stage.pyc").touch()
    assert digest(folder) == before


def test_links_lead_anywhere_so_nothing_is_told(folder: Path) -> None:
    (folder / "link").symlink_to("recipe.toml")
    assert take_snapshot([folder], []) is None
