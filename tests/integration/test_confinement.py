"""A hostile worker under a real keeper: everything that it tries is refused, and nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.plan import WorkerPlan
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


def signed(board: Device, plan: WorkerPlan, behaviour: str, **limits: int) -> FakeRelease:
    executor = LocalExecutor()
    return make_release(
        behaviour,
        plan=replace(plan, limits=replace(plan.limits, **limits)),  # type: ignore[arg-type]
        sign=lambda text: sign(executor, text, key=board.key, namespace=SIGNATURE_NAMESPACE),
    )


def test_a_worker_that_fills_its_folder_is_rolled_back_with_the_reason(device: Device) -> None:  # noqa: F811
    device.spawn()
    assert device.deploy(device.release("healthy")).kind == "done"
    made = device.release("fills").plan
    patient = replace(made.health, settle_s=60.0)  # else it is committed before anybody has looked
    event = device.deploy(signed(device, replace(made, version="2.0.0", health=patient), "fills", work_max=4 << 20))
    assert event.kind == "error"
    assert "on disk, work_max is 4" in event.message
    eventually(lambda: device.application().healthy)
    status = device.application()
    assert status.current is not None
    assert (status.current.version, status.phase) == ("1.0.0", "running")
    assert status.worker.work_bytes > 4 << 20, "what was left is told, and borne"


def test_one_that_fills_it_later_is_ended_and_can_be_stopped(device: Device) -> None:  # noqa: F811
    device.spawn()
    assert device.deploy(device.release("fills later", work_max=4 << 20)).kind == "done"
    eventually(lambda: "on disk, work_max is 4" in device.application().worker.last_exit)
    eventually(lambda: device.application().worker.restarts > 1)
    with device.talk() as client:
        assert client.ask("stop", application="sorter").kind == "done"
    assert device.application().phase == "stopped"


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk needs root")
def test_a_full_disk_is_rolled_back_from(device: Device) -> None:  # noqa: F811
    """As on a board: /run is memory, and the rest has no byte left."""
    state, run = device.prefix / "var/lib/edgekit", device.prefix / "run"
    for folder, size in ((state, "24m"), (run, "4m")):
        folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        device.spawn()
        for version in ("1.0.0", "2.0.0"):
            assert device.deploy(device.release("healthy", version=version)).kind == "done"
        with (state / "apps/sorter/work/filled").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        with pytest.raises(OSError, match="No space"):
            (state / "one").write_bytes(bytes(8192))
        with device.talk() as client:
            event = client.ask("rollback", application="sorter")
        assert event.kind == "done", event
        eventually(lambda: device.application().healthy)
        status = device.application()
        assert status.current is not None
        assert (status.current.version, status.phase) == ("1.0.0", "running")
        with device.talk() as client:
            assert client.ask("stop", application="sorter").kind == "done"
    finally:
        device.keeper("halt")
        for folder in (run, state):
            subprocess.run(["umount", "-l", str(folder)], check=False)
