"""Durable steps in their order, and a real disk that is really asked to sync."""

from __future__ import annotations

import errno
import gc
import os
from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.update.removal import take_apart
from edgekit.errors import RolloutError


class NotedDisk(Filesystem):
    """The real one, which notes what it is asked to do."""

    def __init__(self, fails_at: str = "") -> None:
        self.steps: list[str] = []
        self._fails_at = fails_at

    def write(self, path: Path, data: bytes) -> None:
        super().write(path, data)
        self._note(f"write {path.name}")

    def sync_file(self, path: Path) -> None:
        self._note(f"sync {path.name}")

    def sync_folder(self, path: Path) -> None:
        self._note(f"sync {path.name}/")

    def rename(self, source: Path, target: Path) -> None:
        self._note(f"rename {source.name}")
        super().rename(source, target)

    def _note(self, step: str) -> None:
        self.steps.append(step)
        if step == self._fails_at:
            raise OSError(errno.EIO, "Input/output error")


def test_a_file_is_whole_on_the_disk_before_it_has_its_name(tmp_path: Path) -> None:
    disk, file = NotedDisk(), tmp_path / "state"
    disk.replace(file, b"new")
    assert disk.steps == ["write state.tmp", "sync state.tmp", "rename state.tmp", f"sync {tmp_path.name}/"]
    assert file.read_bytes() == b"new"


@pytest.mark.parametrize("step", ["write state.tmp", "sync state.tmp", "rename state.tmp"])
def test_a_file_that_cannot_be_replaced_stays_and_nothing_lies_beside_it(tmp_path: Path, step: str) -> None:
    file = tmp_path / "state"
    file.write_bytes(b"old")
    with pytest.raises(OSError, match="Input/output"):
        NotedDisk(step).replace(file, b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("state", b"old")]


def test_a_new_folder_is_durable_and_made_once(tmp_path: Path) -> None:
    disk = NotedDisk()
    disk.keep_folder(tmp_path / "a")
    disk.keep_folder(tmp_path / "a")
    assert disk.steps == [f"sync {tmp_path.name}/"]
    assert (tmp_path / "a").is_dir()


def test_the_kernel_is_asked_to_sync() -> None:
    """What cannot be synced says so, and the descriptor is closed all the same."""
    gc.collect()  # descriptors that other tests have left to it
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="Invalid argument"):
        Filesystem().sync_file(Path("/dev/null"))
    with pytest.raises(OSError, match="Invalid argument"):
        Filesystem().sync_folder(Path("/proc/self"))
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before


def test_the_whole_disk_of_a_folder_is_synced(tmp_path: Path) -> None:
    Filesystem().sync_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        Filesystem().sync_disk(tmp_path / "not there")


def test_a_folder_whose_name_could_not_be_synced_is_made_anew(tmp_path: Path) -> None:
    disk = NotedDisk(f"sync {tmp_path.name}/")
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            disk.keep_folder(tmp_path / "a")
    assert len(disk.steps) == 2


def test_a_file_is_no_folder_to_sync(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Filesystem().sync_file(tmp_path / "file")
    Filesystem().sync_folder(tmp_path)
    with pytest.raises(NotADirectoryError):
        Filesystem().sync_folder(tmp_path / "file")


def test_a_piece_that_comes_again_shorter_ends_the_file(tmp_path: Path) -> None:
    disk, file = Filesystem(), tmp_path / "part"
    disk.extend(file, 0, b"abc")
    disk.extend(file, 3, b"def")
    disk.extend(file, 2, b"x")
    assert file.read_bytes() == b"abx"
    assert file.stat().st_mode & 0o777 == 0o600


def test_only_a_full_disk_becomes_a_sentence(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        with (
            pytest.raises(RolloutError, match=r"disk full: needs 2.0 KiB, free \d"),
            Filesystem().explain_full(tmp_path, 2048),
        ):
            raise OSError(number, "full")
    with pytest.raises(OSError, match="Input/output"), Filesystem().explain_full(tmp_path, 1):
        raise OSError(errno.EIO, "Input/output error")
    with pytest.raises(KeyError), Filesystem().explain_full(tmp_path, 1):
        raise KeyError


def test_a_disk_without_inodes_is_told_from_one_without_room(tmp_path: Path) -> None:
    class ManySmallFiles(Filesystem):
        def takes_files(self, path: Path) -> bool:
            return False

    assert Filesystem().takes_files(tmp_path)
    with pytest.raises(RolloutError, match="no inodes left"), ManySmallFiles().explain_full(tmp_path, 580):
        raise OSError(errno.ENOSPC, "full")


def test_removing_twice_is_removing_once(tmp_path: Path) -> None:
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "file").touch()
    for _ in range(2):
        Filesystem().remove(tmp_path / "file")
        take_apart(Filesystem(), tmp_path / "folder")
    assert not list(tmp_path.iterdir())
    found = os.statvfs(tmp_path)
    free = found.f_bavail * found.f_frsize
    assert abs(Filesystem().free_bytes(tmp_path) - free) < free / 2
