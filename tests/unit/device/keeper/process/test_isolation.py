"""Everybody else is kept off an application's CPUs as long as it runs; where that cannot be, the journal says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.device.keeper.process.cgroup import CgroupTree
from edgekit.device.keeper.process.isolation import SLICES, Isolation
from tests.fakes.cgroups import make_tree
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.scripted import ScriptedExecutor

NOBODY = frozenset[int]()
OWN = "/edgekit.slice/edgekitd.service"


class Board:
    """Eight CPUs, systemd's answers, and the journal."""

    def __init__(self, folder: Path, *, own: str = OWN, enforced: bool = True, **answers: object) -> None:
        path = make_tree(folder, own=own)
        (path / "keeper").mkdir()
        self.own_cpus = path / "keeper/cpuset.cpus"
        (folder / "present").write_text("0-7\n")
        self.set_before = folder / "50-AllowedCPUs.conf"
        self.systemctl = ScriptedExecutor(**answers)  # type: ignore[arg-type]
        self.lines: list[str] = []
        self._tree = CgroupTree(path) if enforced else None
        self._present = folder / "present"
        self.isolation = self.keeper()

    def keeper(self) -> Isolation:
        """A keeper that has just started."""
        return Isolation(
            self._tree, self.systemctl, self.lines.append, present=self._present, set_before=self.set_before
        )

    def keep(self, *cpus: int) -> None:
        self.isolation.keep(frozenset(cpus))
        self.isolation.wait(PATIENCE_S)

    @property
    def asked(self) -> list[str]:
        """What was asked of systemctl."""
        return [" ".join(argv[1:]) for argv, _ in self.systemctl.asked]


def test_all_others_keep_to_the_other_cpus_until_nobody_asks_for_it(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.keep(4, 5)
    assert board.asked == [f"set-property --runtime {name} AllowedCPUs=0-3,6-7" for name in SLICES]
    assert board.own_cpus.read_text() == "0-3,6-7\n", "the keeper too"
    assert board.lines == ["keeper: CPUs 4-5 are the applications' alone; all others run on 0-3,6-7"]
    board.systemctl.asked.clear()
    board.keep()
    assert board.asked == [f"set-property --runtime {name} AllowedCPUs=0-7" for name in SLICES]
    assert board.own_cpus.read_text() == "0-7\n"


def test_systemd_is_asked_for_changes_alone(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.keep()
    assert board.asked == [], "a board where nobody ever asked for it is left as it is"
    for _ in range(3):
        board.keep(4)
    assert len(board.asked) == len(SLICES)


def test_what_a_keeper_left_that_was_killed_is_undone(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.set_before.write_text("[Slice]\nAllowedCPUs=0-3\n")
    board.isolation = board.keeper()
    board.keep()
    assert board.asked == [f"set-property --runtime {name} AllowedCPUs=0-7" for name in SLICES]


@pytest.mark.parametrize(
    ("how", "cpus", "why"),
    [
        ({"enforced": False}, (4,), "limits are not enforced on this device"),
        ({"own": "/system.slice/edgekitd.service"}, (4,), "edgekit provision gives it a slice of its own"),
        ({}, range(8), "there is no other CPU left for the system"),
    ],
)
def test_where_it_cannot_be_nothing_is_touched_and_the_journal_says_why(
    how: dict[str, object], cpus: tuple[int, ...], why: str, tmp_path: Path
) -> None:
    board = Board(tmp_path, **how)  # type: ignore[arg-type]
    board.keep(*cpus)
    assert board.asked == [] and len(board.lines) == 1
    assert "cannot be kept free of others: " in board.lines[0] and board.lines[0].endswith(why)


def test_a_keeper_that_is_stopped_ends_when_others_have_their_cpus_back(tmp_path: Path) -> None:
    """The last thing that its loop asks for."""
    asked, program = tmp_path / "asked", tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\nsleep 0.1\necho "$4" >> {asked}\n')
    program.chmod(0o755)
    make_tree(tmp_path, own=OWN)
    (tmp_path / "present").write_text("0-7\n")
    keeper = (
        "import sys; from pathlib import Path\n"
        "from edgekit.device.keeper.process.cgroup import CgroupTree\n"
        "from edgekit.device.keeper.process.isolation import Isolation\n"
        "from edgekit.executor.local import LocalExecutor\n"
        f"folder = Path({str(tmp_path)!r})\n"
        f"tree = CgroupTree(folder / 'cgroup{OWN}')\n"
        "isolation = Isolation(tree, LocalExecutor(), print, present=folder / 'present', set_before=folder / 'no')\n"
        "isolation.keep(frozenset({4}))\n"
        "isolation.keep(frozenset())\n"
    )
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([sys.executable, "-c", keeper], env=env, check=True, timeout=PATIENCE_S, capture_output=True)
    assert asked.read_text().split()[-len(SLICES) :] == ["AllowedCPUs=0-7"] * len(SLICES)


def test_a_systemd_that_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    board = Board(tmp_path, returncode=1, stderr=b"Failed to set unit properties: no such property\n")
    board.keep(4)
    (line,) = board.lines
    assert line.startswith("keeper: CPUs 4 are not free of others: system.slice: Failed to set unit properties")
