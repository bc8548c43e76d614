"""Inputs are named one by one, large folders as one, and what changed while it was read is seen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.git import GitState
from edgekit.host.release.resources import (
    MOST_FILES,
    commit_resource,
    directory_hash,
    file_resources,
    folder_resource,
    read_files,
)
from edgekit.trust import sha256_bytes, sha256_file

_BY_HAND = "find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum | cut -f1 -d' '"
"""Source: in-toto, DigestSet, dirHash."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/x.py", "b-c/x.py", "B/é.py", "a.toml", "b/__pycache__/x.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_folders_digest_is_what_the_specification_computes_by_hand(folder: Path) -> None:
    (folder / "b/__pycache__/x.pyc").unlink()
    by_hand = subprocess.run(["bash", "-c", _BY_HAND], cwd=folder, check=True, capture_output=True, text=True).stdout
    assert folder_resource("f", folder).digest == {"dirHash": by_hand.strip()}
    (folder / "b/__pycache__/x.pyc").touch()
    assert folder_resource("f", folder).digest == {"dirHash": by_hand.strip()}, "made by running it"
    assert folder_resource("f", folder, frozenset({"B"})).digest != {"dirHash": by_hand.strip()}


def test_each_file_is_an_input_and_a_folder_of_many_is_one() -> None:
    few = {f"golden/{number}.png": "1" * 64 for number in range(MOST_FILES)}
    many = {f"calibration/{number}.png": "2" * 64 for number in range(MOST_FILES + 1)}
    found = {one.name: one for one in file_resources("recipe", {"recipe.toml": "3" * 64, **few, **many})}
    assert len(found) == 1 + MOST_FILES + 1
    assert found["recipe/recipe.toml"].digest == {"sha256": "3" * 64}
    assert found["recipe/golden/0.png"].digest == {"sha256": "1" * 64}
    whole = directory_hash({f"{number}.png": "2" * 64 for number in range(MOST_FILES + 1)})
    assert found["recipe/calibration/"].digest == {"dirHash": whole}
    assert found["recipe/calibration/"].annotations == {"files": "65 files"}


def test_read_files_have_their_digests_and_a_later_change_is_seen(folder: Path) -> None:
    read = read_files(folder, ["a.toml", "b/x.py", "a.toml"])
    assert read.digests == {"a.toml": sha256_file(folder / "a.toml"), "b/x.py": sha256_bytes(b"b/x.py")}
    read.check_unchanged()
    (folder / "b/x.py").write_text("b/y.py")
    with pytest.raises(InputError, match=r"b/x\.py was changed while"):
        read.check_unchanged()
    (folder / "b/x.py").unlink()
    with pytest.raises(InputError, match=r"b/x\.py was changed while"):
        read.check_unchanged()


def test_a_commit_says_what_differs_from_it_and_where_others_find_it() -> None:
    clean = commit_resource("source", GitState(commit="1" * 40, path="line", remote="git+https://example.org/x.git"))
    assert clean.uri == "git+https://example.org/x.git@" + "1" * 40
    assert (clean.digest, clean.annotations) == ({"gitCommit": "1" * 40}, {"path": "line", "dirty": False})
    names = tuple(f"{number:02}.png" for number in range(23))
    dirty = commit_resource("source", GitState(commit="1" * 40, changed=names))
    assert dirty.annotations["dirty"] is True and dirty.uri == ""
    assert str(dirty.annotations["changed"]).split("\n") == [*names[:20], "and 3 more"]


def test_that_nobody_knows_the_commit_is_said() -> None:
    unknown = commit_resource("source", GitState(commit="", unknown="not a git repository"))
    assert (unknown.digest, unknown.annotations) == ({}, {"unknown": "not a git repository"})
    assert unknown.uri, "in-toto wants one of uri, digest and content"
