"""Whether a disk has project quotas is read from the kernel's list of mounts; where it has none nothing is claimed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgekit.device.keeper.process import project_quota, work_quota
from edgekit.device.keeper.process.project_quota import keep_within
from edgekit.device.keeper.process.work_quota import WatchedWorker, WorkRoom, WorkWatch
from tests.fakes.eventually import eventually

MOUNTS = """\
22 1 8:1 / / rw,noatime shared:1 - ext4 /dev/root rw
31 22 7:0 / /var/lib/edgekit rw,relatime shared:9 - ext4 /dev/loop0 rw,prjquota
40 22 259:2 / /data rw,relatime - xfs /dev/nvme0n1p2 rw,attr2,inode64,prjquota,noquota2
44 22 259:3 / /other rw,relatime - ext4 /dev/nvme0n1p3 rw,usrjquota=aquota.user,jqfmt=vfsv1
"""


@pytest.mark.parametrize(
    ("device", "has"), [((8, 1), False), ((7, 0), True), ((259, 2), True), ((259, 3), False), ((1, 1), False)]
)
def test_a_disk_that_is_mounted_with_limits_of_projects(device: tuple[int, int], has: bool) -> None:
    assert project_quota._has_quotas(os.makedev(*device), MOUNTS) is has


def test_nothing_is_claimed_of_a_folder_that_cannot_be_held(tmp_path: Path) -> None:
    assert not keep_within(tmp_path / "none", 1 << 20)
    (tmp_path / "link").symlink_to(tmp_path)
    assert not keep_within(tmp_path / "link", 1 << 20)
    assert not keep_within(tmp_path, 1 << 20)


def watched(work: Path) -> WatchedWorker:
    return WatchedWorker(digest="a", work=work, work_max=1 << 20, pid=os.getpid(), leaf=None, proc=Path("/proc"))


def test_a_worker_that_ends_in_a_full_folder_ends_for_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, int]] = []
    monkeypatch.setattr(work_quota, "keep_within", lambda *given: asked.append(given) or True)
    watch = WorkWatch(watched(tmp_path), WorkRoom())
    eventually(lambda: watch.kernel_keeps)
    assert asked == [(tmp_path, 1 << 20)]
    (tmp_path / "filled").write_bytes(os.urandom((1 << 20) - 8192))
    assert watch.verdict() == "", "it may go on: it takes no more than it may"
    assert "its folder is full: 1" in watch.close(last_look_s=5.0)


def test_a_worker_that_ends_with_room_left_ends_for_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_quota, "keep_within", lambda *_given: True)
    watch = WorkWatch(watched(tmp_path), WorkRoom())
    eventually(lambda: watch.kernel_keeps)
    (tmp_path / "some").write_bytes(os.urandom(1 << 19))
    assert watch.close(last_look_s=5.0) == ""


def test_the_release_before_is_held_to_what_it_found_and_a_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(work_quota, "keep_within", lambda _work, limit: asked.append(limit) or True)
    (tmp_path / "filled").write_bytes(os.urandom(2 << 20))
    watch = WorkWatch(watched(tmp_path), WorkRoom())
    eventually(lambda: watch.kernel_keeps)
    (limit,) = asked
    assert (2 << 20) + (1 << 16) <= limit <= (2 << 20) + (1 << 17)
    watch.close()


def test_what_lies_there_already_is_taken_in_however_deep_a_worker_has_nested_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []

    def give(fd: int, _project: int) -> None:
        given.append(Path(f"/proc/self/fd/{fd}").readlink().name)

    monkeypatch.setattr(project_quota, "_give", give)
    (tmp_path / "work").mkdir()
    (tmp_path / "work/file").touch()
    (tmp_path / "work/link").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "work/pipe")
    within = os.open(tmp_path / "work", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=within)
        deeper = os.open("d", os.O_RDONLY, dir_fd=within)
        os.close(within)
        within = deeper
    os.close(within)
    project_quota._give_all(tmp_path / "work", 60_801)
    assert {"file", "pipe", "d"} == set(given)
    assert len(given) < 100
    subprocess.run(["rm", "-rf", tmp_path / "work"], check=True)
