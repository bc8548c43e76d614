"""A real worker under a real keeper, when its memory gets tight: what it does without and why, and that all comes back.

Where this machine has no cgroup v2 for it, the keeper watches the process: what follows is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.pressure import RELIEFS, Pressure
from edgekit.schema.sink import JsonlSink, PreviewSink
from edgekit.trust import sign
from tests.fakes.eventually import eventually
from tests.fakes.real_worker import drawn_plan, real_release
from tests.fakes.releases import write_release
from tests.fakes.sshd import PROGRAM
from tests.integration.test_deploy import Site, running_site

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]

MIB = 1 << 20
LIMIT = 300 * MIB
HUNGRY = """\
from pathlib import Path

from edgekit.stage import Stage

HOARD = []


class Truth(Stage):
    stateless = False

    def __call__(self, frame):
        if not Path("burst").exists():
            HOARD.clear()
        elif len(HOARD) < 26:
            HOARD.append(bytearray(b"x") * (10 << 20))
        frame.detections = frame.truth
        return frame
"""


@pytest.fixture(scope="module")
def board() -> Iterator[tuple[Site, Path]]:
    with running_site() as site:
        assert site.edgekit("provision", "board").code == 0
        sinks = {
            "lines": JsonlSink(kind="jsonl", path="counts.jsonl", lane="viewers"),
            "shown": PreviewSink(kind="preview", lane="viewers"),
        }
        plan = drawn_plan(sinks, "gate", "yard")
        plan = replace(
            plan,
            pressure=Pressure(order=RELIEFS),
            limits=replace(plan.limits, memory_max=LIMIT),
            sources={name: replace(one, priority=int(name == "gate")) for name, one in plan.sources.items()},
        )
        flag = site.prefix / "var/lib/edgekit/apps/sorter/work/burst"
        made = real_release(
            plan,
            lambda text: sign(LocalExecutor(), text, key=site.key, namespace=SIGNATURE_NAMESPACE),
            HUNGRY.encode(),
        )
        done = site.edgekit("deploy", str(write_release(made, site.folder / "hungry")), "board")
        assert done.code == 0, done.err
        yield site, flag


def report(site: Site) -> dict[str, Any]:
    (found,) = site.edgekit("status", "board", "--json").json["applications"]
    assert found["worker"]["restarts"] == 0 and found["worker"]["pid"]
    told: dict[str, Any] = found["report"]
    return told


def test_it_does_without_more_and_more_and_gets_everything_back(board: tuple[Site, Path]) -> None:
    site, flag = board
    flag.touch()

    def tight() -> dict[str, Any]:
        found = report(site).get("pressure") or {}
        return found if len(found.get("taken", ())) >= 6 else {}

    found = eventually(tight)
    assert found["taken"][:6] == ["preview", "fps 1/2", "fps 1/4", "fps 1", "queue", "resolution"]
    assert found["limit_bytes"] == LIMIT and found["cause"].startswith("memory is tight, ")
    eventually(lambda: "shed yard" in (report(site)["pressure"]["taken"]))
    streams = {stream["name"]: stream for stream in report(site)["streams"]}
    assert any(drop["cause"] == "pressure" for drop in streams["yard"]["drops"])
    frames = streams["gate"]["frames"]
    eventually(lambda: {one["name"]: one["frames"] for one in report(site)["streams"]}["gate"] > frames + 1)
    assert "memory is tight: goes without preview" in report(site)["message"]
    flag.unlink()
    eventually(lambda: not report(site)["pressure"]["taken"])
    eventually(lambda: all(stream["fps"] > 8 for stream in report(site)["streams"]))
    logs = site.edgekit("logs", "board", "sorter").out
    assert "goes without shed yard" in logs and "has preview again, all is as it was" in logs
    assert 'edgekit_pressure_steps_total{application="sorter",relief="shed"} 1' in site.edgekit("metrics", "board").out


def test_nothing_leaked_meanwhile(board: tuple[Site, Path]) -> None:
    site, _ = board
    worker = site.edgekit("mem", "board", "--json").json["worker"]
    assert all(not one["outlived"] for one in worker["leases"])
