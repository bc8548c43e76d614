"""A hostile worker on a real board, beside another application: everything that it tries is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.board.conftest import LIMITS, Edgekit, eventually, one_application, write

pytestmark = pytest.mark.board
HOSTILE = (Path(__file__).parents[1] / "fakes/hostile_worker.py").read_bytes()
WORK = "/var/lib/edgekit/apps/hostile/work"


@pytest.fixture(scope="module")
def attacked(edgekit: Edgekit, provisioned: str) -> str:
    """A board with two applications, of which one has tried all that it can think of."""
    told = {"prefix": "/", "forks": 2 * LIMITS.pids_max}
    files = {"site/edgekit/device/runtime/__main__.py": HOSTILE, "hostile.json": json.dumps(told).encode()}
    edgekit.ok("deploy", str(write(edgekit, "hostile", version="1.0.0", application="hostile", **files)), provisioned)
    look = ("board", "ssh", "--name", provisioned, "--", f"test -e {WORK}/attacks.json")
    eventually(lambda: edgekit.run(*look).code == 0)
    return provisioned


def test_each_attack_is_refused(edgekit: Edgekit, attacked: str) -> None:
    found = json.loads(edgekit.on_board(attacked, f"cat {WORK}/attacks.json"))
    assert found["got through"] == {}
    assert 0 < found["forks"] < LIMITS.pids_max
    assert sum(found["scratch"]) <= LIMITS.memory_max // 4
    other, own = (edgekit.status(attacked, name)["worker"]["pid"] for name in ("sorter", "hostile"))
    users = edgekit.on_board(attacked, f"stat -c %u /proc/{other} /proc/{own}").split()
    assert len(set(users)) == 2 and all(60_800 <= int(user) < 60_900 for user in users)
    assert int(users[1]) == found["ids"][0]


def test_nothing_of_it_is_left_outside(edgekit: Edgekit, attacked: str) -> None:
    assert edgekit.on_board(attacked, "find / -xdev -name 'edgekit-hostile*' 2>/dev/null || true") == ""
    assert edgekit.on_board(attacked, "ls /tmp /dev/shm | grep edgekit-hostile || true") == ""


def test_nothing_is_left_unconfined_and_the_other_application_runs(edgekit: Edgekit, attacked: str) -> None:
    for name in ("sorter", "hostile"):
        status = edgekit.status(attacked, name)
        assert status["worker"]["unconfined"] == []
        assert status["healthy"], status["unhealthy_because"]
    assert "confined" not in edgekit.ok("status", attacked).out
    assert "each worker is confined: limits and devices by cgroup v2, a user" in edgekit.ok("doctor", attacked).out


def test_the_keepers_service_is_hardened(edgekit: Edgekit, attacked: str) -> None:
    line = edgekit.on_board(attacked, "systemd-analyze security edgekitd.service --no-pager | tail -1")
    assert float(line.split(":")[1].split()[0]) < 5.0, line


def test_a_worker_that_fills_its_folder_is_ended_with_the_reason(edgekit: Edgekit, attacked: str) -> None:
    """Folders are looked at each half minute, so a release may have settled by then."""
    edgekit.run("deploy", str(write(edgekit, "fills", version="3.0.0", work_max=8 << 20)), attacked)

    def told() -> bool:
        found = one_application(edgekit.status_of_all(attacked), "sorter")
        failure = found["last_failure"] or {}
        return "work_max is 8" in found["worker"]["last_exit"] + str(failure.get("reason", ""))

    eventually(told)
