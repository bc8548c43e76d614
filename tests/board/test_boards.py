"""The virtual board itself: what happens to real boards happens to it, and nothing of it is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.board.conftest import Edgekit, eventually

pytestmark = [pytest.mark.board, pytest.mark.long]


def state(edgekit: Edgekit, name: str) -> str:
    found = {board["name"]: board["state"] for board in edgekit.ok("board", "list", "--json").json["boards"]}
    return str(found.get(name, "gone"))


def test_two_boards_side_by_side_each_with_its_own_key_and_disk(edgekit: Edgekit) -> None:
    first = edgekit.ok("board", "up", "--name", "one", "--json", limit_s=1500).json
    second = edgekit.ok("board", "up", "--name", "two", "--json").json
    assert first["address"] != second["address"]
    controllers = edgekit.on_board("one", "cat /sys/fs/cgroup/cgroup.controllers").split()
    assert {"cpuset", "cpu", "io", "memory", "pids"} <= set(controllers)
    assert edgekit.on_board("one", "ls /proc/pressure").split() == ["cpu", "io", "memory"]
    keys = [(edgekit.home / "s/edgekit/boards" / name / "known_hosts").read_text() for name in ("one", "two")]
    assert keys[0] != keys[1]
    edgekit.on_board("one", "touch /root/mine")
    assert edgekit.on_board("two", "ls /root") == ""
    assert edgekit.ok("board", "up", "--name", "one", "--json").json["how"] == "already up"
    edgekit.ok("board", "down", "--name", "one")
    edgekit.ok("board", "down", "--name", "two")
    assert edgekit.run("board", "down", "--name", "two").code == 3
    for board in (first, second):
        assert not Path(f"/proc/{board['pid']}").exists() or "Z" in Path(f"/proc/{board['pid']}/stat").read_text()


def test_a_power_cut_keeps_what_was_synced(edgekit: Edgekit) -> None:
    edgekit.ok("board", "up", "--name", "cut", limit_s=1500)
    edgekit.on_board("cut", "echo kept > /root/synced; sync")
    edgekit.ok("board", "power-cut", "--name", "cut")
    assert state(edgekit, "cut") == "dead"
    done = edgekit.run("status", "cut")
    assert done.code == 7, done.err
    assert edgekit.ok("board", "up", "--name", "cut", "--json").json["how"] == "booted"
    assert edgekit.on_board("cut", "cat /root/synced") == "kept"
    edgekit.ok("board", "down", "--name", "cut")


def test_a_hanging_board_is_reported_and_brought_back(edgekit: Edgekit) -> None:
    found = edgekit.ok("board", "up", "--name", "hang", "--json", limit_s=1500).json
    os.kill(found["pid"], signal.SIGSTOP)
    assert state(edgekit, "hang") in ("hung", "paused")
    assert edgekit.ok("board", "up", "--name", "hang", "--json").json["state"] == "running"
    edgekit.ok("board", "link", "down", "--name", "hang")
    eventually(lambda: state(edgekit, "hang") == "hung")
    edgekit.ok("board", "link", "up", "--name", "hang")
    eventually(lambda: state(edgekit, "hang") == "running")
    edgekit.ok("board", "down", "--name", "hang")


@pytest.mark.parametrize(
    ("like", "compatible", "cpus", "target"),
    [("rk3588", "rockchip,rk3588", 8, "rk3588-debian12"), ("orin-nano", "nvidia,tegra234", 6, "jetson-orin-nano-jp62")],
)
def test_a_board_like_a_real_one_is_recognised(
    edgekit: Edgekit, like: str, compatible: str, cpus: int, target: str
) -> None:
    edgekit.ok("board", "up", "--like", like, limit_s=1500)
    assert compatible in edgekit.on_board(like, "tr '\\0' ' ' < /proc/device-tree/compatible").split()
    assert edgekit.on_board(like, "nproc") == str(cpus)
    assert json.loads(edgekit.run("doctor", like, "--json").out)["target"] == target
    edgekit.ok("board", "down", "--name", like)


def test_wrong_words_are_told(edgekit: Edgekit) -> None:
    assert edgekit.run("board", "up", "--like", "toaster").code == 2
    assert edgekit.run("board", "up", "--name", "../x").code == 2
    done = edgekit.run("board", "reset", "--name", "nosuch")
    assert (done.code, "no board 'nosuch'" in done.err) == (3, True)


def test_nothing_runs_after_down(edgekit: Edgekit) -> None:
    found = subprocess.run(
        ["pgrep", "-f", str(edgekit.home)], capture_output=True, text=True, check=False
    ).stdout.split()
    boards = {str(board["pid"]) for board in edgekit.ok("board", "list", "--json").json["boards"]}
    left = [pid for pid in found if pid not in boards and "qemu" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert left == []
