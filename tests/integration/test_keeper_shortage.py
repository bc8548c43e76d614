"""A real keeper that is short of descriptors, memory, a disk, or a worker that dies: it goes on, and says so."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.floods import Raw, urgent
from tests.fakes.odd_disks import MOUNTED, in_a_disk
from tests.fakes.vitals import descriptors
from tests.integration.test_keeper import Device, alive, running_device

pytestmark = pytest.mark.integration

_FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.fixture
def device() -> Iterator[Device]:
    with running_device() as device:
        yield device


@contextmanager
def limited(pid: int, kind: int, most: int) -> Iterator[None]:
    """Let a running process have no more of something. Source: prlimit(2)."""
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


def virtual_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


@pytest.mark.parametrize("what", ["descriptors", "memory for threads"])
def test_what_is_short_for_a_while_deafens_nobody(device: Device, what: str) -> None:
    pid = device.spawn()
    assert device.deploy(device.release("healthy")).kind == "done"
    worker = device.application().worker.pid
    kind, most = resource.RLIMIT_AS, virtual_bytes(pid) + (1 << 20)
    if what == "descriptors":
        kind, most = resource.RLIMIT_NOFILE, descriptors(pid) + 2
    with ExitStack() as kept, limited(pid, kind, most):
        for _ in range(8):
            client = kept.enter_context(Raw(device.socket))
            client.socket.settimeout(0.2)
            with suppress(OSError):
                client.ask("hello")
    event, _ = urgent(device.socket, "status")
    assert event.kind == "done" and alive(pid)
    assert device.application().worker.pid == worker, "it was not touched"
    with device.talk() as client:
        assert client.ask("stop").kind == "done"


def test_a_worker_that_a_driver_holds_at_the_start_holds_up_nobody(device: Device) -> None:
    """In the D state no signal ends a process; the freezer of cgroup v1 does the same to it."""
    folder = _FREEZER / f"edgekit-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no freezer of cgroup v1 here that can be used")
    try:
        keeper = device.spawn()
        assert device.deploy(device.release("stubborn")).kind == "done"
        worker = device.application().worker.pid
        (folder / "cgroup.procs").write_text(str(worker))
        (folder / "freezer.state").write_text("FROZEN")
        os.kill(keeper, signal.SIGKILL)
        eventually(lambda: not alive(keeper))
        device.spawn()
        event, _ = urgent(device.socket, "status")
        assert event.kind == "done"
        assert "State:\tD" in Path(f"/proc/{worker}/status").read_text(), "it is still there, and cannot be killed"
        eventually(lambda: device.application().healthy)
        assert device.application().worker.pid != worker
    finally:
        (folder / "freezer.state").write_text("THAWED")
        eventually(lambda: not (folder / "cgroup.procs").read_text())
        folder.rmdir()


def test_bad_releases_leave_nothing_on_the_disk(device: Device) -> None:
    device.spawn()
    good = device.release("healthy")
    assert device.deploy(good).kind == "done"
    blobs = {file.name for file in (device.prefix / "var/lib/edgekit/store").rglob("*") if file.is_file()}
    for number in range(5):
        assert device.deploy(device.release("exits", f"2.0.{number}")).exit_code == 8
    state = device.prefix / "var/lib/edgekit"
    eventually(lambda: [path.name for path in (state / "releases").iterdir()] == [good.digest])
    eventually(lambda: {file.name for file in (state / "store").rglob("*") if file.is_file()} == blobs)
    assert not list((state / "incoming").iterdir())


@pytest.mark.parametrize(
    ("scenario", "options"),
    [("read_only", "size=64m"), ("full", "size=64m"), ("no_inodes", "size=64m,nr_inodes=150")],
)
def test_disks_that_take_nothing_more(scenario: str, options: str, tmp_path: Path) -> None:
    """Each scenario is a function of tests.fakes.odd_disks, in a mount namespace of its own."""
    try:
        subprocess.run(in_a_disk(tmp_path, options, "true"), check=True, capture_output=True, timeout=PATIENCE_S)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody make a mount namespace")
    argv = in_a_disk(tmp_path, options, sys.executable, "-m", "tests.fakes.odd_disks", scenario, str(tmp_path))
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert MOUNTED in done.stdout
