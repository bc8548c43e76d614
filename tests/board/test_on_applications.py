"""Two applications on one board: whatever happens to one, the other goes on as if it were alone.

The one that goes on is the shipped recipe, which waits for nobody: its clip is played at a camera's pace, its counts
are exact, and every frame that is lost would show as a drop or a wrong count. The other one shares two CPUs with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.board.conftest import Edgekit, eventually, write

pytestmark = [pytest.mark.board, pytest.mark.long, pytest.mark.timeout(2400)]
BOARD, STEADY, OTHER = "pair", "sorting-line", "counter"


@pytest.fixture(scope="module")
def pair(edgekit: Edgekit) -> Iterator[str]:
    """A board on which both run, healthy."""
    release = str(edgekit.home / "pair-line")
    edgekit.ok("build", "recipes/sorting-line", "--target", "virt-arm64", "--out", release)
    edgekit.ok("board", "up", "--name", BOARD, "--seed", release, limit_s=1500)
    edgekit.ok("provision", BOARD)
    edgekit.ok("deploy", release, BOARD)
    edgekit.ok("deploy", str(write(edgekit, "healthy", version="1.0.0", application=OTHER)), BOARD)
    yield BOARD
    edgekit.ok("board", "down", "--name", BOARD)


class Witness:
    """Looks at the steady application before and after, and says what became of its frames meanwhile."""

    def __init__(self, edgekit: Edgekit) -> None:
        self._edgekit = edgekit
        self._before = self._look()

    def check(self) -> None:
        """No restart, no drop, no wrong count, and frames went on."""
        start = self._before["report"]["frames"]
        eventually(lambda: self._look()["report"]["frames"] > start + 5)
        after = self._look()
        assert after["worker"]["pid"] == self._before["worker"]["pid"], after
        assert after["worker"]["restarts"] == 0, after
        assert after["healthy"], after["unhealthy_because"]
        assert after["current"] == self._before["current"]
        report = after["report"]
        assert report["errors"] == 0
        assert drops(report) == drops(self._before["report"]) == 0
        assert report["score"].get("wrong", 0) == 0

    def _look(self) -> dict[str, Any]:
        return self._edgekit.status(BOARD, STEADY)


def drops(report: dict[str, Any]) -> int:
    """Frames of all streams that did not reach the sinks."""
    lanes = sum(count for lane in report["lanes"] for count in lane["dropped"].values())
    return int(lanes + sum(drop["count"] for stream in report["streams"] for drop in stream["drops"]))


@pytest.fixture
def witness(edgekit: Edgekit, pair: str) -> Witness:
    eventually(lambda: bool(edgekit.status(pair, STEADY)["healthy"]))
    return Witness(edgekit)


def test_each_has_a_leaf_a_folder_and_a_share_of_the_memory(edgekit: Edgekit, pair: str, witness: Witness) -> None:
    status = edgekit.status_of_all(pair)
    assert [found["application"] for found in status["applications"]] == [OTHER, STEADY]
    assert status["memory_promised_bytes"] == (400 + 64) << 20
    assert status["applications"][0]["shares_cpus"] == [{"application": STEADY, "cpus": "1-2"}]
    leaves = edgekit.on_board(pair, "ls -d /sys/fs/cgroup/edgekit.slice/edgekitd.service/app-* | xargs -n1 basename")
    assert leaves.split() == [f"app-{OTHER}", f"app-{STEADY}"]
    folders = edgekit.on_board(pair, "ls /var/lib/edgekit/apps").split()
    assert folders == [OTHER, STEADY]
    witness.check()


def test_one_that_is_killed_comes_back_alone(edgekit: Edgekit, pair: str, witness: Witness) -> None:
    pid = edgekit.status(pair, OTHER)["worker"]["pid"]
    edgekit.on_board(pair, f"kill -9 {pid}")
    eventually(lambda: edgekit.status(pair, OTHER)["worker"]["pid"] not in (0, pid))
    eventually(lambda: bool(edgekit.status(pair, OTHER)["healthy"]))
    assert "killed by SIGKILL" in edgekit.status(pair, OTHER)["worker"]["last_exit"]
    witness.check()


def test_a_bad_release_of_one_goes_back_alone(edgekit: Edgekit, pair: str, witness: Witness) -> None:
    done = edgekit.run("deploy", str(write(edgekit, "exits", version="2.0.0", application=OTHER)), pair)
    assert done.code == 8, done.err
    assert f"{OTHER} 2.0.0 was rolled back" in done.err
    assert edgekit.status(pair, OTHER)["current"]["version"] == "1.0.0"
    witness.check()


def test_one_is_rolled_back_by_name(edgekit: Edgekit, pair: str, witness: Witness) -> None:
    edgekit.ok("deploy", str(write(edgekit, "healthy", version="3.0.0", application=OTHER)), pair)
    ambiguous = edgekit.run("rollback", pair)
    assert ambiguous.code == 3
    assert f"{OTHER}, {STEADY}" in ambiguous.err
    edgekit.ok("rollback", pair, OTHER)
    assert edgekit.status(pair, OTHER)["current"]["version"] == "1.0.0"
    witness.check()


def test_one_that_does_not_fit_beside_the_other_is_refused_with_the_sum(
    edgekit: Edgekit, pair: str, witness: Witness
) -> None:
    large = write(edgekit, "healthy", version="1.0.0", application="large", memory_max=700 << 20)
    done = edgekit.run("deploy", str(large), pair)
    assert done.code == 8
    for part in ("large 700.0 MiB", f"{OTHER} 64.0 MiB", f"{STEADY} 400.0 MiB", "= 1.1 GiB"):
        assert part in done.err
    witness.check()


def test_one_is_stopped_stays_so_over_a_restart_and_is_started(edgekit: Edgekit, pair: str, witness: Witness) -> None:
    edgekit.ok("stop", pair, OTHER)
    found = edgekit.status(pair, OTHER)
    assert (found["phase"], found["worker"]["pid"]) == ("stopped", 0)
    witness.check()
    edgekit.on_board(pair, "systemctl restart edgekitd")
    eventually(lambda: edgekit.run("status", pair).code == 0)
    assert edgekit.status(pair, OTHER)["phase"] == "stopped"
    edgekit.ok("start", pair, OTHER)
    assert edgekit.status(pair, OTHER)["healthy"]


def test_cpus_are_kept_free_of_all_others_while_one_that_asks_for_it_runs(edgekit: Edgekit, pair: str) -> None:
    """Read from what the kernel says of a service's thread, of init's and of the keeper's own."""

    def may_run_on(unit: str) -> str:
        pid = f"$(systemctl show --property MainPID --value {unit})"
        return edgekit.on_board(pair, f"awk '/^Cpus_allowed_list/ {{print $2}}' /proc/{pid}/status")

    everywhere = edgekit.on_board(pair, "cat /sys/devices/system/cpu/online")
    assert may_run_on("ssh") == everywhere
    alone = write(edgekit, "healthy", version="4.0.0", application=OTHER, isolate=True)
    edgekit.ok("deploy", str(alone), pair)
    eventually(lambda: may_run_on("ssh") == "0,3" and may_run_on("edgekitd") == "0,3")
    pid = edgekit.status(pair, OTHER)["worker"]["pid"]
    assert edgekit.on_board(pair, f"awk '/^Cpus_allowed_list/ {{print $2}}' /proc/{pid}/status") == "1-2"
    assert "CPUs 1-2 are the applications' alone; all others run on 0,3" in edgekit.ok("logs", pair).out
    edgekit.ok("stop", pair, OTHER)
    eventually(lambda: may_run_on("ssh") == everywhere and may_run_on("edgekitd") == everywhere)
    edgekit.ok("start", pair, OTHER)


def test_one_is_removed_with_all_that_it_had(edgekit: Edgekit, pair: str, witness: Witness) -> None:
    digests = {edgekit.status(pair, OTHER)[which]["digest"] for which in ("current", "previous")}
    edgekit.ok("remove", pair, OTHER)
    status = edgekit.status_of_all(pair)
    assert [found["application"] for found in status["applications"]] == [STEADY]

    def gone() -> bool:
        left = edgekit.on_board(pair, "ls /var/lib/edgekit/apps /var/lib/edgekit/releases").split()
        return OTHER not in " ".join(left) and not digests & set(left)

    eventually(gone)
    leaves = edgekit.on_board(pair, "ls -d /sys/fs/cgroup/edgekit.slice/edgekitd.service/app-* | xargs -n1 basename")
    assert leaves.split() == [f"app-{STEADY}"]
    witness.check()
