"""What the keeper promises, on a real kernel and a real systemd."""

from __future__ import annotations

import pytest

from tests.board.conftest import Edgekit, eventually, one_application, write

pytestmark = pytest.mark.board


def workers(edgekit: Edgekit, name: str) -> list[str]:
    return edgekit.on_board(name, "pgrep -u 60800 || true").split()


def test_provisioning_twice_changes_nothing(edgekit: Edgekit, provisioned: str) -> None:
    assert edgekit.ok("provision", provisioned, "--json").json["changes"] == []


def test_deploying_twice_does_nothing(edgekit: Edgekit, provisioned: str) -> None:
    release = write(edgekit, "healthy", version="1.0.0")
    done = edgekit.ok("deploy", str(release), provisioned, "--json").json
    assert (done["changed"], done["sent_bytes"]) == (False, 0)


def test_a_killed_keeper_comes_back_with_its_worker_and_no_orphan(edgekit: Edgekit, provisioned: str) -> None:
    before = edgekit.status(provisioned)
    edgekit.on_board(provisioned, f"kill -9 {before['keeper_pid']}")

    def back() -> bool:
        done = edgekit.run("status", provisioned, "--json")
        found = one_application(done.json) if done.code == 0 else {}
        return bool(found) and found["worker"]["state"] == "running" and found["healthy"]

    eventually(back)
    after = edgekit.status(provisioned)
    assert after["keeper_pid"] != before["keeper_pid"]
    assert after["current"]["digest"] == before["current"]["digest"]
    assert workers(edgekit, provisioned) == [str(after["worker"]["pid"])]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("exits", "the camera is gone"), ("hangs", "no report for"), ("silent", "no report"), ("unhealthy", "min_fps")],
)
def test_a_bad_release_goes_back_by_itself_and_says_why(
    edgekit: Edgekit, provisioned: str, behaviour: str, reason: str
) -> None:
    before = edgekit.status(provisioned)["current"]["digest"]
    done = edgekit.run("deploy", str(write(edgekit, behaviour, version="2.0.0")), provisioned)
    assert done.code == 8, done.err
    status = edgekit.status(provisioned)
    assert status["current"]["digest"] == before
    assert status["last_failure"]["version"] == "2.0.0"
    told = " ".join([status["last_failure"]["reason"], *status["last_failure"]["probes"]])
    assert reason in told
    assert status["last_failure"]["reason"] in done.err
    eventually(lambda: edgekit.status(provisioned)["healthy"])


def test_a_worker_beyond_its_memory_is_killed_alone_and_restarted(edgekit: Edgekit, provisioned: str) -> None:
    keeper = edgekit.status(provisioned)["keeper_pid"]
    edgekit.ok("deploy", str(write(edgekit, "hungry", version="3.0.0", period_s=1.5)), provisioned)
    eventually(lambda: edgekit.status(provisioned)["worker"]["oom_kills"] > 0)
    eventually(lambda: edgekit.status(provisioned)["worker"]["restarts"] > 0)
    status = edgekit.status(provisioned)
    assert status["keeper_pid"] == keeper
    assert "out of memory" in status["worker"]["last_exit"]
    assert "64.0 MiB" in status["worker"]["last_exit"]
    assert "out of memory" in edgekit.ok("logs", provisioned).out


def test_rollback_brings_the_previous_release_back(edgekit: Edgekit, provisioned: str) -> None:
    edgekit.ok("rollback", provisioned)
    assert edgekit.status(provisioned)["current"]["version"] == "1.0.0"


def test_a_reboot_brings_the_committed_release_up(edgekit: Edgekit, provisioned: str) -> None:
    digest = edgekit.status(provisioned)["current"]["digest"]
    boot = edgekit.on_board(provisioned, "cat /proc/sys/kernel/random/boot_id")
    edgekit.on_board(provisioned, "(sleep 1; systemctl reboot) > /dev/null 2>&1 &")

    def rebooted() -> bool:
        command = ("board", "ssh", "--name", provisioned, "--", "cat /proc/sys/kernel/random/boot_id")
        done = edgekit.run(*command)
        return done.code == 0 and done.out.strip() != boot

    eventually(rebooted, limit_s=240)

    def runs() -> bool:
        done = edgekit.run("status", provisioned, "--json")
        found = one_application(done.json) if done.code == 0 else {}
        return bool(found) and found["healthy"] and found["current"]["digest"] == digest

    eventually(runs)


def test_a_power_cut_brings_the_committed_release_up(edgekit: Edgekit, provisioned: str) -> None:
    digest = edgekit.status(provisioned)["current"]["digest"]
    edgekit.ok("board", "power-cut", "--name", provisioned)
    edgekit.ok("board", "up", "--name", provisioned)
    eventually(lambda: edgekit.run("status", provisioned).code == 0)
    eventually(lambda: bool(edgekit.status(provisioned)["healthy"]))
    assert edgekit.status(provisioned)["current"]["digest"] == digest


def test_status_says_what_the_board_tells_of_itself_and_what_it_does_not(edgekit: Edgekit, provisioned: str) -> None:
    """QEMU's machine has no sensors: the keeper, as root on a real kernel, says so, and gives no zeros."""

    def board() -> dict[str, list[object]]:
        found: dict[str, list[object]] = edgekit.status_of_all(provisioned)["board"]
        return found

    eventually(lambda: not any(str(note).startswith("sensors: ") for note in board()["notes"]))
    found = board()
    assert "temperatures: there is no thermal zone that can be read" in found["notes"]
    assert not any(found[kind] for kind in ("temperatures", "loads", "rails"))
    assert "edgekit_board_temperature_celsius" not in edgekit.ok("metrics", provisioned).out
    assert (
        "  not known temperatures: there is no thermal zone that can be read" in edgekit.ok("status", provisioned).out
    )
