"""Golden frames beside the release that runs, under systemd's keeper: limits, user and network are real."""

from __future__ import annotations

import json

import pytest

from tests.board.conftest import LIMITS, Edgekit, write

pytestmark = [pytest.mark.board, pytest.mark.long]
TELLS = b"""
import json, os, socket, sys, time
line = socket.socket(fileno=int(os.environ["EDGEKIT_REPORT_FD"]))
if "--golden" not in sys.argv:
    sys.exit("it must not come to that")
leaf = "/sys/fs/cgroup" + open("/proc/self/cgroup").read().strip().partition("::")[2]
read = lambda path: open(path).read().strip()
seen = {
    "uid": os.getuid(),
    "leaf": os.path.basename(leaf),
    "memory_max": int(read(leaf + "/memory.max")),
    "cpu_weight": int(read(leaf + "/cpu.weight")),
    "oom_score": int(read("/proc/self/oom_score_adj")),
    "network": len(open("/proc/net/dev").readlines()) - 2,
    "work": os.getcwd(),
}
open("mine", "w").close()
print("seen", json.dumps(seen), flush=True)
line.sendall(json.dumps({"phase": "failed", "golden": "failed: frame.png: 9 px", "cause": "golden"}).encode() + b"\\n")
time.sleep(60)
"""
KEEPER = "/sys/fs/cgroup/system.slice/edgekitd.service"


def test_one_that_fails_them_stops_nothing_and_leaves_nothing(edgekit: Edgekit, provisioned: str) -> None:
    before = edgekit.status(provisioned)
    pid = before["worker"]["pid"]
    files = {"site/edgekit/device/runtime/__main__.py": TELLS}
    bad = write(edgekit, "golden", version="2.0.0", **files)
    done = edgekit.run("deploy", str(bad), provisioned)
    assert done.code == 8 and "sorter 2.0.0 was refused: golden frames failed: frame.png: 9 px" in done.err, done.err
    after = edgekit.status(provisioned)
    assert (after["worker"]["pid"], after["current"], after["healthy"]) == (pid, before["current"], True)
    told = [line for line in edgekit.ok("logs", provisioned).out.splitlines() if "golden: seen " in line]
    assert json.loads(told[0].partition("golden: seen ")[2]) == {
        "uid": int(edgekit.on_board(provisioned, f"stat -c %u /proc/{pid}")),
        "leaf": "app-sorter.golden",
        "memory_max": LIMITS.memory_max,
        "cpu_weight": 25,
        "oom_score": 1000,
        "network": 1,
        "work": "/var/lib/edgekit/apps/sorter/golden",
    }
    assert edgekit.on_board(provisioned, f"ls {KEEPER} | grep golden || true") == ""
    assert edgekit.on_board(provisioned, "ls /var/lib/edgekit/apps /var/lib/edgekit/apps/sorter").count("golden") == 0
