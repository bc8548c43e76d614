"""Whatever call the disk refuses, once or from then on: the keeper says so, and runs what the disk says it runs."""

from __future__ import annotations

import contextlib
import errno
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.failing_disk import FULL, NO_SYNC, Refusal, check_refused_calls
from tests.fakes.keeper import Bench
from tests.fakes.recording import QuickBoardDisk, RecordingBoardDisk, RecordingFilesystem
from tests.fakes.switches import BROKEN, NEWER, OLDER, KeeperFolder


@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize("refusal", [FULL, NO_SYNC], ids=["disk full", "sync fails"])
def test_whatever_call_is_refused_memory_and_disk_say_the_same(tmp_path: Path, refusal: Refusal, once: bool) -> None:
    """Of a full disk every seventh call: tests/integration/test_failing_disk_calls.py has the others."""
    check_refused_calls(tmp_path, replace(refusal, once=once), first=1)


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
