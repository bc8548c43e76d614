"""A sample of the disks of tests/integration/test_crashes.py, and that they are what a bad keeper does not survive."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.crash_story import CutDisk, Story

EVERY_CALL, EVERY_DISK = 13, 7


@pytest.mark.parametrize("backwards", [False, True], ids=["by name", "backwards"])
def test_some_disks_after_a_cut_are_exactly_the_old_or_exactly_the_new_board(tmp_path: Path, backwards: bool) -> None:
    story = Story(tmp_path / "story", backwards=backwards)
    for number, (count, image) in enumerate(story.disks(every=EVERY_CALL)):
        if number % EVERY_DISK == 0:
            disk = CutDisk(image, tmp_path / str(number), backwards=backwards)
            disk.check(story.allowed(count))
            disk.check_deployable()
            disk.check_switchable()
            disk.end()
    assert number > 20 * EVERY_DISK


@pytest.mark.parametrize("without", ["sync", "sync folder", "sync all"])
def test_a_keeper_that_leaves_out_a_kind_of_sync_is_found(tmp_path: Path, without: str) -> None:
    """The same life on a disk that does not do one kind of call: some cut is not survived."""
    story = Story(tmp_path / "story", backwards=False)
    for number, (count, image) in enumerate(story.disks(every=EVERY_CALL, without=without)):
        if number % 2 == 0:
            disk = CutDisk(image, tmp_path / str(number), backwards=False)
            try:
                disk.check(story.allowed(count))
            except AssertionError:
                return
            finally:
                disk.end()
    pytest.fail(f"no disk shows that {without} is missing")
