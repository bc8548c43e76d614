"""A hostile worker under a real keeper: everything that it tries is refused, and nothing of it is left."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.recipe import Health
from edgekit.trust import sign
from tests.fakes.eventually import eventually
from tests.fakes.releases import FakeRelease, make_plan, make_release
from tests.integration.test_keeper import PYTHON, Device, device  # noqa: F401  a fixture

pytestmark = pytest.mark.integration
HOSTILE = Path(__file__).parents[1] / "fakes/hostile_worker.py"
SAME_USER = {"signals to others", "settings of other processes"}
"""What a worker may do to a keeper of the same user: process mode, which says so."""


def hostile(board: Device, **limits: object) -> FakeRelease:
    plan = make_plan(python=PYTHON, health=Health(min_fps=2.0, settle_s=0.3, start_s=60.0, stall_s=60.0))
    plan = replace(plan, limits=replace(plan.limits, **limits))  # type: ignore[arg-type]
    told = {"prefix": str(board.prefix), "forks": 0}
    files = {"site/edgekit/device/runtime/__main__.py": HOSTILE.read_bytes(), "hostile.json": json.dumps(told).encode()}
    executor = LocalExecutor()
    return make_release(
        plan=plan,
        extra=files,
        sign=lambda text: sign(executor, text, key=board.key, namespace=SIGNATURE_NAMESPACE),
    )


def outcome(board: Device) -> dict[str, object]:
    """What the hostile worker has written down."""
    file = board.prefix / "var/lib/edgekit/apps/sorter/work/attacks.json"
    eventually(file.exists)
    found: dict[str, object] = json.loads(file.read_text())
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="a view of its own needs root")
def test_each_attack_is_refused(device: Device) -> None:  # noqa: F811
    other = device.prefix / "var/lib/edgekit/apps/other/work/secret"
    other.parent.mkdir(parents=True)
    other.write_text("not yours")
    secret = device.prefix / "etc/edgekit/apps/other/secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("not yours either")
    device.spawn()
    assert device.deploy(hostile(device)).kind == "done"
    found = outcome(device)
    got = found["got through"]
    assert isinstance(got, dict)
    devices = {"other devices", "memory and log of the kernel", "disks"}  # a keeper without cgroup v2 holds no devices
    assert set(got) - SAME_USER - devices == set(), got
    assert found["cwd"] == str(other.parents[2] / "sorter/work")
    scratch = found["scratch"]
    assert isinstance(scratch, list)
    assert sum(scratch) <= 16 << 20, "a quarter of 64 MiB"
    assert not list(Path("/tmp").glob("edgekit-hostile*")) and not list(Path("/dev/shm").glob("edgekit-hostile*"))
    worker = device.application().worker
    assert [text.partition(":")[0] for text in worker.unconfined] == ["a user of its own", "devices"]
    log = (device.prefix / "var/lib/edgekit/keeper.log").read_text()
    assert log.count("keeper: sorter is not confined in all: a user of its own") == 1
