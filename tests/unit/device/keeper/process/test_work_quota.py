"""Who is ended for what a folder takes: the release that filled it, and none that found it so."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.process import supervisor, work_quota
from edgekit.device.keeper.process.work_folder import MAX_FILES, FolderUse
from edgekit.device.keeper.process.work_quota import WatchedWorker, WorkRoom, WorkWatch
from tests.fakes.eventually import eventually
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_release

MAX = 100 << 20
BAD, GOOD = "bad", "good"


def use(mib: int, *, files: int = 5, deeper: bool = False) -> FolderUse:
    return FolderUse(bytes=mib << 20, files=files, deeper=deeper)


def test_who_stays_within_is_let() -> None:
    room = WorkRoom()
    assert room.judge(GOOD, use(0), MAX, first=True) == ""
    assert room.judge(GOOD, use(100), MAX, first=False) == ""


def test_who_fills_it_is_ended_and_again_until_it_is_empty() -> None:
    room = WorkRoom()
    room.judge(BAD, use(1), MAX, first=True)
    assert room.judge(BAD, use(120), MAX, first=False) == "its folder takes 120.0 MiB on disk, work_max is 100.0 MiB"
    assert room.judge(BAD, use(120), MAX, first=True) != ""
    assert room.judge(BAD, use(90), MAX, first=True) == ""


def test_the_release_before_runs_in_a_folder_that_it_did_not_fill_and_adds_little() -> None:
    room = WorkRoom()
    room.judge(BAD, use(1), MAX, first=True)
    assert room.judge(BAD, use(500), MAX, first=False)
    assert room.judge(GOOD, use(500), MAX, first=True) == ""
    assert room.judge(GOOD, use(505), MAX, first=False) == ""
    assert room.judge(GOOD, use(510), MAX, first=False) != ""
    assert room.judge(GOOD, use(510), MAX, first=True) != "", "restarts add up to nothing"


def test_a_keeper_that_starts_anew_bears_what_it_finds_once() -> None:
    room = WorkRoom()
    assert room.judge(BAD, use(500), MAX, first=True) == ""
    assert room.judge(BAD, use(520), MAX, first=False) != ""
    assert room.judge(BAD, use(520), MAX, first=True) != ""


def test_many_files_and_deep_folders_count_too() -> None:
    room = WorkRoom()
    room.judge(BAD, use(1), MAX, first=True)
    assert "more than 100000 files" in room.judge(BAD, use(1, files=MAX_FILES + 1), MAX, first=False)
    assert room.judge(GOOD, use(1, files=MAX_FILES + 1), MAX, first=True) == ""
    other = WorkRoom()
    other.judge(BAD, use(1), MAX, first=True)
    assert "folders inside each other" in other.judge(BAD, use(1, deeper=True), MAX, first=False)
    assert other.judge(BAD, use(1, deeper=True), MAX, first=True) != ""
    assert other.judge(GOOD, use(1, deeper=True), MAX, first=True) == ""


def watched(work: Path) -> WatchedWorker:
    return WatchedWorker(digest=BAD, work=work, work_max=1 << 20, pid=os.getpid(), leaf=None, proc=Path("/proc"))


def test_the_watch_tells_of_a_folder_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_quota, "_LOOK_S", 0.01)
    monkeypatch.setattr(work_quota, "_MEASURE_S", 0.02)
    watch = WorkWatch(watched(tmp_path), WorkRoom())
    eventually(lambda: watch.looked)
    (tmp_path / "large").write_bytes(os.urandom(8 << 20))
    told: list[str] = []
    eventually(lambda: bool(told.append(watch.verdict()) or told[-1]))
    assert told[-1].endswith("on disk, work_max is 1.0 MiB")
    assert watch.used_bytes > 1 << 20
    eventually(lambda: not watch.verdict() and not watch.running)
    watch.close()


def test_a_worker_that_failed_of_its_full_folder_is_told_apart_by_a_last_look(tmp_path: Path) -> None:
    """Its own write failed before anybody had seen the folder full."""
    for last_look_s, seen in ((60.0, "on disk, work_max is 1.0 MiB"), (0.0, "")):
        (tmp_path / "large").unlink(missing_ok=True)
        watch = WorkWatch(watched(tmp_path), WorkRoom())
        eventually(lambda watch=watch: watch.looked)
        (tmp_path / "large").write_bytes(os.urandom(8 << 20))
        assert watch.close(last_look_s=last_look_s).endswith(seen)
        assert not watch.running and bool(watch.used_bytes >> 20) == bool(seen)


def test_a_folder_that_goes_away_is_watched_no_more(tmp_path: Path) -> None:
    watch = WorkWatch(watched(tmp_path / "gone"), WorkRoom())
    eventually(lambda: not watch.verdict() and not watch.running)
    watch.close()


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), RuntimeError("can't start new thread")]
)
def test_a_worker_whose_folder_cannot_be_watched_is_the_supervisors_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(supervisor, "WorkWatch", refuse)
    bench = Bench(tmp_path)
    bench.workers = replace(bench.workers, watches_folders=True)
    lone, release = bench.lone_supervisor(), make_release()
    bench.install(release)
    lone.start(bench.releases.trusted(release.digest))
    assert lone.step() == []
    assert lone.process is not None and len(bench.starter.children) == 1
    assert f"keeper: sorter: its folder is not watched: {error}" in [line.text for line in bench.journal.tail(9)]
    lone.stop()
    lone.step()
    assert lone.stopped
