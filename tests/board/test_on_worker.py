"""The shipped application on a real arm64 kernel: exact counts, real affinity."""

from __future__ import annotations

import pytest

from tests.board.conftest import Edgekit, eventually

pytestmark = [pytest.mark.board, pytest.mark.long]


@pytest.fixture(scope="module")
def deployed(edgekit: Edgekit) -> str:
    release = str(edgekit.home / "line")
    edgekit.ok("build", "recipes/sorting-line", "--target", "virt-arm64", "--out", release)
    edgekit.ok("board", "up", "--name", "line", "--seed", release, limit_s=1500)
    edgekit.ok("provision", "line")
    edgekit.ok("deploy", release, "line")
    return "line"


def test_counts_are_exact(edgekit: Edgekit, deployed: str) -> None:
    def passes() -> float:
        return float(edgekit.status(deployed)["report"]["score"].get("passes", 0))

    eventually(lambda: passes() >= 2, limit_s=240)
    report = edgekit.status(deployed)["report"]
    assert report["score"]["wrong_passes"] == 0
    assert report["score"]["counted"] == report["score"]["expected"] > 0
    assert report["golden"] == "passed"
    assert all(not any(lane["dropped"].values()) for lane in report["lanes"])


def test_lanes_are_pinned_as_the_recipe_asks(edgekit: Edgekit, deployed: str) -> None:
    status = edgekit.status(deployed)
    pid = status["worker"]["pid"]
    told = edgekit.on_board(
        deployed,
        f"for t in /proc/{pid}/task/*; do echo $(cat $t/comm) $(sed -n 's/^Cpus_allowed_list:\\t//p' $t/status); done",
    )
    found = dict(line.rsplit(" ", 1) for line in told.splitlines())
    # limits.cpus = 3 takes CPUs 1-3 of four; the recipe's positions 0, 1, 2 are these in order.
    assert (found["camera"], found["detect"], found["follow"]) == ("1", "2", "3")
    assert edgekit.on_board(deployed, f"cat /sys/fs/cgroup$(cut -d: -f3 /proc/{pid}/cgroup)/cpuset.cpus") == "1-3"
    assert status["worker"]["limits"] == "enforced"


def test_metrics_are_prometheus_text(edgekit: Edgekit, deployed: str) -> None:
    text = edgekit.ok("metrics", deployed).out
    for name in ("edgekit_frames_total", "edgekit_stage_seconds_bucket", "edgekit_keeper_uptime_seconds"):
        assert f"\n{name}" in f"\n{text}"


def test_logs_and_doctor(edgekit: Edgekit, deployed: str) -> None:
    assert "keeper: ready" in edgekit.ok("logs", deployed).out
    assert edgekit.ok("doctor", deployed, str(edgekit.home / "line"), "--json").json["findings"] == []


def test_the_worker_is_not_root(edgekit: Edgekit, deployed: str) -> None:
    pid = edgekit.status(deployed)["worker"]["pid"]
    assert edgekit.on_board(deployed, f"stat -c %u /proc/{pid}") == "60800"
    assert "edgekit " not in edgekit.on_board(deployed, "id -Gn edgekit-worker") + " "


def test_down(edgekit: Edgekit, deployed: str) -> None:
    edgekit.ok("board", "down", "--name", deployed)
