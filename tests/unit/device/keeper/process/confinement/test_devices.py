"""Which devices a plan's worker may open, and the program that the kernel runs for it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.process.confinement import devices
from edgekit.device.keeper.process.confinement.device_program import device_program, hold_devices
from edgekit.device.keeper.process.confinement.devices import DeviceRule, device_rules
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.source import GstreamerSource, V4l2Source
from tests.fakes.filters import run_program
from tests.fakes.releases import make_plan

CAMERA = V4l2Source(kind="v4l2", device="/dev/video0", lane="all")
LAUNCH = GstreamerSource(kind="gstreamer", launch="{camera} ! appsink", lane="all")
NODES = {  # as boards have them: name, major, minor
    "tegra": {
        **{"nvmap": (10, 60), "nvhost-ctrl": (505, 0), "nvgpu/igpu0/ctrl": (501, 1), "nvidia0": (195, 0)},
        **{"nvme0": (240, 0), "nvram": (10, 144), "dri/renderD128": (226, 128), "mem": (1, 1)},
    },
    "rockchip": {
        **{"dri/renderD129": (226, 129), "rga": (10, 55), "mpp_service": (238, 0), "dma_heap/system": (250, 0)},
        **{"ttyUSB0": (188, 0), "media0": (239, 0), "video0": (81, 0), "watchdog": (10, 130), "kmsg": (1, 11)},
    },
}


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of plain files that count as the nodes of a board."""
    numbers = {}
    for board, nodes in NODES.items():
        for name, number in nodes.items():
            path = tmp_path / board / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            numbers[path] = number
    monkeypatch.setattr(devices, "_number", numbers.get)
    return tmp_path


def engine(runner: str) -> EnginePlan:
    contract = ColourContract(width_px=8, height_px=8, order="RGB")
    return EnginePlan(runner=runner, path="e", input=contract, threads=1)  # type: ignore[arg-type]


def rules_of(dev: Path, **changes: object) -> set[tuple[int, int]]:
    plan = replace(make_plan(), **changes)  # type: ignore[arg-type]
    return {(rule.major, rule.minor) for rule in device_rules(plan, dev)} - {(1, n) for n in (3, 5, 7, 8, 9)} - {(5, 0)}


def test_a_worker_of_files_and_cpus_has_what_every_program_has(dev: Path) -> None:
    assert rules_of(dev / "tegra", sources={}) == set()
    assert {(1, 3), (1, 9)} <= {(rule.major, rule.minor) for rule in device_rules(make_plan(), dev)}


def test_a_runner_has_its_accelerator_and_no_disk(dev: Path) -> None:
    found = rules_of(dev / "tegra", sources={}, engines={"e": engine("tensorrt")})
    assert found == {(10, 60), (505, -1), (501, -1), (195, -1), (226, -1)}
    found = rules_of(dev / "rockchip", sources={}, engines={"e": engine("rknn")})
    assert found == {(226, -1), (10, 55), (238, -1), (250, -1)}


def test_a_camera_may_be_plugged_in_later(dev: Path) -> None:
    assert rules_of(dev / "tegra", sources={"a": CAMERA}) == {(81, -1)}
    assert rules_of(dev / "rockchip", sources={"a": CAMERA}) == {(81, -1), (239, -1)}


def test_gstreamer_decodes_with_whatever_the_board_has(dev: Path) -> None:
    found = rules_of(dev / "rockchip", sources={"a": LAUNCH})
    assert found == {(81, -1), (239, -1), (226, -1), (10, 55), (238, -1), (250, -1)}


def test_named_devices_are_those_alone_and_never_memory(dev: Path) -> None:
    limits = replace(make_plan().limits, devices=("/dev/ttyUSB0", "/dev/gone", "/dev/kmsg"))
    assert rules_of(dev / "rockchip", sources={}, limits=limits) == {(188, 0)}


def test_the_program_lets_through_what_the_rules_say() -> None:
    program = device_program([DeviceRule(1, 3), DeviceRule(81)])

    def asked(kind: int, access: int, major: int, minor: int) -> int:
        return run_program(program, kind=kind, access=access, major=major, minor=minor)

    assert asked(2, 6, 1, 3) == asked(2, 2, 81, 0) == asked(2, 4, 81, 77) == 1
    assert asked(2, 2, 1, 1) == asked(2, 6, 8, 0) == 0
    assert asked(1, 2, 81, 0) == 0, "a disk of that number"
    assert asked(2, 1, 81, 0) == 0, "a node that is made"


@pytest.fixture
def cgroup() -> Iterator[Path]:
    roots = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
    root = next((path for path in roots if (path / "cgroup.controllers").exists()), None)
    if root is None or os.geteuid():
        pytest.skip("needs root and cgroup v2")
    path = root / f"edgekit-test-{os.getpid()}"
    path.mkdir()
    yield path
    path.rmdir()


def test_the_kernel_holds_to_it(cgroup: Path) -> None:
    reason = hold_devices(cgroup, device_rules(make_plan()), os.uname().machine)
    if reason:
        pytest.skip(f"this kernel lets no program on a cgroup: {reason}")
    code = f"""
import os
open("{cgroup}/cgroup.procs", "w").write("0")
for path in ("/dev/null", "/dev/urandom", "/dev/mem", "/dev/kmsg", "/dev/fuse"):
    try:
        os.close(os.open(path, os.O_RDONLY)); print(path, "opened")
    except OSError as error:
        print(path, error.strerror)
try:
    os.mknod("/tmp/confine-node", 0o20600, os.makedev(1, 3))
except OSError as error:
    print("mknod", error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["/dev/null opened", "/dev/urandom opened"]
    assert lines[-1] == "mknod Operation not permitted"
    there = [path for path in ("/dev/mem", "/dev/kmsg", "/dev/fuse") if Path(path).exists()]
    assert all(f"{path} Operation not permitted" in lines for path in there), done.stdout
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_group_that_takes_no_program_is_told(tmp_path: Path) -> None:
    assert hold_devices(tmp_path / "gone", (), os.uname().machine) != ""
    assert hold_devices(tmp_path, (), "riscv64") == "not known for this processor"
