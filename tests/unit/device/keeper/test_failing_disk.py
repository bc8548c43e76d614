"""Whatever call the disk refuses, once or from then on: the keeper says so, and runs what the disk says it runs."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError
from tests.fakes.crash_story import BAD, FIRST, ONE, OTHER, TWO, activate, truth
from tests.fakes.keeper import Bench, outcome, pulse
from tests.fakes.recording import Call, QuickBoardDisk, RecordingBoardDisk, RecordingFilesystem
from tests.fakes.switches import BROKEN, NEWER, OLDER, KeeperFolder

SYNCS = ("sync", "sync folder", "sync all")
GROWING = ("write", "extend", "rename", "link", "mkdir")


class RefusingFilesystem(RecordingFilesystem):
    """Carries out a call and then says that it failed: half a write and a failed sync look like this."""

    def __init__(self, root: Path, *, at: int, kinds: tuple[str, ...], number: int, once: bool) -> None:
        super().__init__(root)
        self._at, self._kinds, self._number, self._once = at, kinds, number, once
        self._seen = 0
        self.mended = False
        self.refused = False

    def note(self, call: Call) -> None:
        super().note(call)
        if self.mended or call.kind not in self._kinds:
            return
        self._seen += 1
        if self._seen == self._at or (self._seen > self._at and not self._once):
            self.refused = True
            raise OSError(self._number, "refused", call.path)


def boards(
    root: Path, kinds: tuple[str, ...], number: int, *, every: int, once: bool
) -> Iterator[tuple[Bench, RefusingFilesystem]]:
    """A board that runs the first release, whose disk refuses its first call of these kinds, or a later one, or..."""
    begin = Bench(root / "begin")
    begin.commit(OTHER)
    begin.commit(ONE)
    for at in range(1, 1000, every):
        shutil.copytree(root / "begin", root / "board")
        disk = RefusingFilesystem(root / "board", at=at, kinds=kinds, number=number, once=once)
        bench = Bench(root / "board", disk=disk)
        bench.starter.on_start = pulse
        bench.turn(times=3)
        yield bench, disk
        shutil.rmtree(root / "board")
        if not disk.refused:
            assert at > 5
            return


def deploy(bench: Bench) -> str:
    """Deploy the second release, and clear out.

    Returns:
        What whoever deploys is told.
    """
    try:
        bench.install(TWO)
        told = str(outcome(activate(bench, TWO, FIRST)))
    except (EdgekitError, OSError) as error:
        return str(error)
    with contextlib.suppress(OSError):  # a clearing out that fails is told to nobody but the journal
        bench.releases.clearing.collect(bench.keeper.references)
    return told


@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize(
    ("kinds", "number", "every"),
    [(GROWING, errno.ENOSPC, 7), (SYNCS, errno.EIO, 1)],
    ids=["disk full", "sync fails"],
)
def test_whatever_call_is_refused_memory_and_disk_say_the_same(
    tmp_path: Path, kinds: tuple[str, ...], number: int, every: int, once: bool
) -> None:
    outcomes = set()
    for bench, disk in boards(tmp_path, kinds, number, every=every, once=once):
        old = truth(bench, b"")
        told = deploy(bench)
        bench.turn(times=3)
        now = truth(bench, b"")
        assert ("is committed" in told) == (bench.current == TWO.digest), "what is on the disk decides what is told"
        assert bench.status("counter").healthy and bench.status("sorter").healthy
        again = Bench(tmp_path / "board")
        again.starter.on_start = pulse
        again.turn(times=3)
        assert truth(again, b"") == now, "a restart changes nothing"
        assert again.status("sorter").healthy
        disk.mended = True
        for release in (TWO, BAD):
            again.install(release)
            activate(again, release, FIRST)
            assert again.current == release.digest
        outcomes.add(now == old)
        for child in (*bench.starter.children, *again.starter.children):
            child.end(0)
    assert outcomes == {True, False}


class RefusingBoardDisk(RecordingBoardDisk):
    """The same for what provisioning and the guard write: a full disk, once or from then on."""

    def __init__(self, keeper: RecordingFilesystem, *, at: int, once: bool) -> None:
        super().__init__(keeper)
        self._at, self._once, self._seen = at, once, 0
        self.refused = False

    def write(self, path: str, content: bytes, mode: int) -> None:
        self._refuse(path)
        super().write(path, content, mode)

    def symlink(self, path: str, to: str) -> None:
        self._refuse(path)
        super().symlink(path, to)

    def _refuse(self, path: str) -> None:
        self._seen += 1
        if self._seen == self._at or (self._seen > self._at and not self._once):
            self.refused = True
            raise OSError(errno.ENOSPC, "refused", path)


@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize("keeper", [NEWER, BROKEN], ids=["a good keeper", "one that is no good"])
def test_a_disk_that_is_full_at_any_write_of_a_switch_leaves_a_whole_keeper(
    tmp_path: Path, keeper: bytes, once: bool
) -> None:
    for at in range(1, 100):
        root = tmp_path / str(at)
        Bench(root)
        folder = KeeperFolder(root)
        folder.begin()
        disk = RefusingBoardDisk(RecordingFilesystem(root), at=at, once=once)
        with contextlib.suppress(OSError):
            folder.switch(keeper, disk, passes=keeper == NEWER)
        folder.come_up()
        assert folder.whole
        assert folder.program in (OLDER, *([NEWER] if keeper == NEWER else [])), "one that is no good never stays"
        folder.switch(NEWER if folder.program == OLDER else OLDER, QuickBoardDisk(), passes=True)
        assert folder.whole
        if not disk.refused:
            assert at > 5
            return
