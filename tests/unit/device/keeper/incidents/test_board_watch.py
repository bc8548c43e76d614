"""A clock that jumps, and ends without warning, are seen; synchronisation and a clean stop are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.keeper.incidents.board_watch import JUMP_S, ClockWatch, RunMark
from tests.fakes.clock import Clock
from tests.fakes.recording import QuickFilesystem

DAY_S = 86400.0


@pytest.mark.parametrize("step_s", [JUMP_S + 1, -JUMP_S - 1, 9 * 365 * DAY_S, -30 * 365 * DAY_S])
def test_a_jump_is_told_once_with_both_times(step_s: float) -> None:
    steady, wall = Clock(), [1_800_000_000.0]
    watch = ClockWatch(steady, lambda: wall[0], lambda: 7)
    steady.advance(10)
    wall[0] += 10
    assert watch.look() is None
    wall[0] += step_s
    jump = watch.look()
    assert jump is not None
    assert jump.figures == {
        "step_s": step_s,
        "before_s": 1_800_000_010.0,
        "after_s": 1_800_000_010.0 + step_s,
        "signed_s": 7.0,
    }
    assert watch.look() is None


def test_hours_that_pass_and_small_corrections_are_no_jump() -> None:
    steady, wall = Clock(), [1_800_000_000.0]
    watch = ClockWatch(steady, lambda: wall[0], lambda: 7)
    for _ in range(48):
        steady.advance(3600)
        wall[0] += 3600 + 30
        assert watch.look() is None


class Board:
    """A keeper's mark on a board that can be booted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.boot = "first"

    def mark(self) -> RunMark:
        return RunMark(self.root / "incidents/running.json", QuickFilesystem(), lambda: 5.0, self.boot)


def test_a_keeper_that_was_killed_and_a_power_cut_are_told_apart(tmp_path: Path) -> None:
    board = Board(tmp_path)
    assert board.mark().begin() is None
    killed = board.mark().begin()
    assert killed is not None and killed.kind == "keeper"
    board.boot = "second"
    cut = board.mark().begin()
    assert cut is not None and cut.kind == "power"
    assert cut.figures == {"started_s": 5.0}


def test_a_clean_stop_leaves_nothing_to_tell(tmp_path: Path) -> None:
    board = Board(tmp_path)
    mark = board.mark()
    mark.begin()
    mark.end()
    board.boot = "second"
    assert board.mark().begin() is None


def test_a_torn_mark_is_one_all_the_same(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.mark().begin()
    (tmp_path / "incidents/running.json").write_bytes(b'{"bo')
    found = board.mark().begin()
    assert found is not None and found.kind == "power"
