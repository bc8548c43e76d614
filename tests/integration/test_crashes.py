"""The power goes at every call of the keeper, on every disk that two models of a file system may leave.

Installing, activating, committing, a trial that fails, rolling back, pruning, a change of settings, stopping, starting
and removing, over three releases of one application beside another one, and the switch from one keeper to the next, to
one that is no good, and back: see tests/fakes/crash_story.py. The board comes up as exactly the old or exactly the new
one, believes in nothing that is half there, takes each release, and takes another keeper.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.crash_story import CutDisk, Story
from tests.fakes.crashes import LOSSES

pytestmark = pytest.mark.timeout(1800)
PARTS = 12
LEAST_DISKS = 3000


def test_there_are_enough_disks(quick_path: Path) -> None:
    points = disks = 0
    for backwards in (False, True):
        story = Story(quick_path / str(backwards), backwards=backwards)
        points += len(story.disk.calls) + 1
        disks += sum(1 for _ in story.disks())
    print(f"{points} points to cut at, {len(LOSSES)} ways to lose data, {disks} different disks")
    assert disks >= LEAST_DISKS


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("backwards", [False, True], ids=["by name", "backwards"])
def test_every_disk_after_a_cut_is_exactly_the_old_or_exactly_the_new_board(
    quick_path: Path, backwards: bool, part: int
) -> None:
    story = Story(quick_path / "story", backwards=backwards)
    for number, (count, image) in enumerate(story.disks()):
        if number % PARTS == part:
            disk = CutDisk(image, quick_path / "disk", backwards=backwards)
            disk.check(story.allowed(count))
            disk.check_deployable()
            disk.check_switchable()
            disk.end()
