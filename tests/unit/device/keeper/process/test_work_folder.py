"""What a folder takes, whatever a worker has made of it."""

from __future__ import annotations

import gc
import os
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from edgekit.device.keeper.process import work_folder
from edgekit.device.keeper.process.work_folder import MAX_DEPTH, measure, nameless_bytes
from tests.fakes.vitals import descriptors

MIB = 1 << 20


def fill(path: Path, size: int = MIB) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def test_files_in_folders_count_by_what_they_take(tmp_path: Path) -> None:
    fill(tmp_path / "a/b/one")
    fill(tmp_path / "two")
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(1 << 40)
    found = measure(tmp_path)
    assert 2 * MIB <= found.bytes < 2 * MIB + (1 << 16)
    assert (found.files, found.deeper) == (5, False)


def test_a_file_of_two_names_counts_once_and_a_link_not_at_all(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside/large", 8 * MIB)
    one = fill(tmp_path / "work/one")
    (tmp_path / "work/two").hardlink_to(one)
    (tmp_path / "work/link").symlink_to(outside)
    (tmp_path / "work/folder").symlink_to(outside.parent)
    assert measure(tmp_path / "work").bytes < 2 * MIB


def test_no_more_is_looked_at_than_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_folder, "_LOOKED_AT", 10)
    for number in range(30):
        (tmp_path / str(number)).touch()
    assert measure(tmp_path).files == 10


def test_what_lies_too_deep_is_said(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(MAX_DEPTH + 5):
        path /= "d"
        path.mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert measure(tmp_path).deeper
    assert len(list(Path("/proc/self/fd").iterdir())) <= before  # fewer where others' were collected meanwhile
    assert not measure(tmp_path / "/".join(["d"] * 8)).deeper


def test_a_file_without_a_name_counts_as_long_as_it_is_held(tmp_path: Path) -> None:
    path = fill(tmp_path / "work/hidden", 2 * MIB)
    with path.open("rb") as file:
        path.unlink()
        assert measure(tmp_path / "work").bytes < MIB
        assert nameless_bytes(tmp_path / "work", [os.getpid()], Path("/proc")) >= 2 * MIB
        assert file.read(1)
    assert nameless_bytes(tmp_path / "work", [os.getpid()], Path("/proc")) == 0


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "work").symlink_to("/")
    with pytest.raises(OSError, match="work"):
        measure(tmp_path / "work")


def test_what_cannot_be_listed_for_want_of_descriptors_leaves_none_open(tmp_path: Path) -> None:
    """A folder takes two, and only one is left."""
    (tmp_path / "inner").mkdir()
    gc.collect()
    before = descriptors(os.getpid())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    for spare in (1, 3):  # for the folder itself, and for the one in it
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + spare, hard))
        try:
            with suppress(OSError):
                measure(tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert descriptors(os.getpid()) == before
