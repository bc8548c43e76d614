"""The probe: alone, on this machine, and on trees that hold nonsense. What it finds on boards: tests/cases/detect."""

from __future__ import annotations

import ast
import json
import os
import platform
import random
import sys
import time
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.host.probe import facts_script
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.reader import from_json, from_raw
from edgekit.sent.facts import jetson, processors, report, rockchip, system
from edgekit.sent.facts.tree import Tree, newest
from tests.fakes.boards.tree import build_board

SCRIPT = facts_script()


def test_script_needs_the_standard_library_of_python_3_8_alone() -> None:
    tree = ast.parse(SCRIPT, feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    newer = {"removeprefix", "removesuffix"} & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not newer


def test_script_sent_as_text_describes_this_machine(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-", "--state", str(tmp_path / "not" / "there")]
    done = LocalExecutor().run(argv, timeout_s=60, stdin=SCRIPT.encode())
    assert done.returncode == 0, done.output
    found = from_json(DeviceFacts, done.stdout, "facts")
    assert found.arch == os.uname().machine
    assert found.kernel == os.uname().release
    assert found.python.version == platform.python_version()
    assert found.python.path == os.path.realpath(sys.executable)
    assert found.cpus_online == tuple(cpu for group in found.clusters for cpu in group.cpus)
    assert set(os.sched_getaffinity(0)) <= set(found.cpus_online)
    assert found.memory_bytes >= found.memory_available_bytes > 0
    assert found.page_bytes == os.sysconf("SC_PAGESIZE")
    assert found.uid == os.getuid()
    assert abs(found.clock_s - time.time()) < 60
    assert found.disk_free_bytes > 0
    assert bool(found.systemd) == Path("/run/systemd/system").is_dir()


def test_script_says_what_its_modules_say(tmp_path: Path) -> None:
    root = build_board("orin-nx-8gb-as-16gb-jp62", tmp_path / "root")
    done = LocalExecutor().run([sys.executable, "-I", "-", "--root", str(root)], timeout_s=60, stdin=SCRIPT.encode())
    changing = ("clock_s", "disk_free_bytes")
    by_script, by_modules = json.loads(done.stdout), json.loads(json.dumps(report.facts(str(root), "/var/lib")))
    assert {k: v for k, v in by_script.items() if k not in changing} == {
        k: v for k, v in by_modules.items() if k not in changing
    }


@pytest.mark.parametrize(
    ("flashed", "cpus", "memory_gib", "plugged_in"),
    [
        ("p3767-0000", 8, 15, "p3767-0000"),
        ("p3767-0000", 6, 7, "p3767"),  # an NX 8GB or a Nano 8GB
        ("p3767-0003", 6, 3, "p3767-0004"),
        ("p3767-0000", 4, 15, "p3767-0000"),  # CPUs alone may be off
        ("p3701-0005", 8, 29, "p3701-0004"),
        ("p3701-0000", 12, 29, "p3701-0000"),
        ("p3701-0009", 12, 29, "p3701-0009"),
    ],
)
def test_memory_and_cpus_tell_the_module(flashed: str, cpus: int, memory_gib: int, plugged_in: str) -> None:
    assert jetson.fitting_module(flashed, cpus, memory_gib) == plugged_in


@pytest.mark.parametrize(
    ("board", "warning"),
    [
        (
            "orin-nx-8gb-as-16gb-jp62",
            "the device tree is that of module p3767-0000, the board has a p3767-0001: flash it for that",
        ),
        ("agx-orin-64-jp621", "power mode MAXN has 16 SMs, 8 are on: reboot the board"),
        ("xavier-nx-jp46", "the GPU of this Jetson (tegra194) is not known: engines for TensorRT are for Orin"),
    ],
)
def test_what_disagrees_is_said(board: str, warning: str, tmp_path: Path) -> None:
    assert warning in report.facts(str(build_board(board, tmp_path / "root")), "/var/lib")["warnings"]


def test_folder_that_is_not_there_is_measured_where_it_would_be(tmp_path: Path) -> None:
    state = tmp_path / "a" / "b"
    here = os.statvfs(tmp_path)
    assert system.free_bytes(Tree("/"), str(state)) == pytest.approx(here.f_bavail * here.f_frsize, rel=0.2)


def test_empty_root_gives_facts_and_warnings(tmp_path: Path) -> None:
    found = from_raw(DeviceFacts, report.facts(str(tmp_path), "/var/lib"), "nothing")
    assert found.clusters == ()
    assert (found.memory_bytes, found.cgroup_version, found.python.version) == (0, 0, "")
    assert "there is no /usr/bin/python3" in found.warnings
    assert len(set(found.warnings)) == len(found.warnings)


@pytest.mark.parametrize("board", ["orin-nano-jp62", "rock-5b"])
def test_files_that_hold_anything_never_stop_the_probe(board: str, tmp_path: Path) -> None:
    root = build_board(board, tmp_path / "root")
    dice = random.Random(board)
    files = sorted(file for file in root.rglob("*") if file.is_file() and not file.is_symlink())
    for file in files:
        good = file.read_bytes()
        noise = (b"", dice.randbytes(200), b"\n" * 3, b"9" * 40, good[: len(good) // 2], good * 2)
        file.write_bytes(dice.choice(noise))
        from_raw(DeviceFacts, json.loads(json.dumps(report.facts(str(root), "/var/lib"))), str(file))


def test_reader_that_fails_is_a_warning() -> None:
    def odd_board(tree: Tree) -> str:
        raise KeyError("what")

    tree = Tree("/")
    assert report.attempt(tree, "usual", odd_board) == "usual"
    assert tree.warnings == ["odd board: KeyError: 'what'"]


def test_package_that_was_removed_is_not_installed(tmp_path: Path) -> None:
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(
        "Package: libnvinfer8\nStatus: deinstall ok config-files\nVersion: 8.6.2.3-1\n\n"
        "Package: libnvinfer10\nStatus: install ok installed\nPriority: optional\nVersion: 2:10.3.0.30-1+cuda12.5\n\n"
        "Package: libnvinfer-bin\nStatus: install ok installed\nVersion: 9.9\n"
    )
    tree = Tree(str(tmp_path))
    assert tree.package("libnvinfer[0-9]+") == "10.3.0.30"
    assert tree.package("libnvinfer8") == ""
    assert tree.package("libnvinfer") == ""


def test_the_gpu_s_clock_and_whether_it_is_locked(tmp_path: Path) -> None:
    for node, name, lowest, highest in (
        ("17000000.gpu", "gpu", 306000000, 1020000000),
        ("15480000.nvdec", "nvdec", 1, 2),
    ):
        folder = tmp_path / "sys/class/devfreq" / node
        (folder / "device/of_node").mkdir(parents=True)
        (folder / "device/of_node/name").write_text(f"{name}\0")
        (folder / "min_freq").write_text(f"{lowest}\n")
        (folder / "max_freq").write_text(f"{highest}\n")
    assert jetson.gpu_clock(Tree(str(tmp_path))) == {"gpu_min_hz": 306000000, "gpu_max_hz": 1020000000}
    assert jetson.gpu_clock(Tree(str(tmp_path / "none"))) == {}


@pytest.mark.parametrize("folder", ["dist-packages", "site-packages"])
def test_a_tensorrt_from_pip_hides_the_board_s_own(tmp_path: Path, folder: str) -> None:
    tree = Tree(str(tmp_path))
    assert jetson.pip_tensorrt(tree, "/usr/bin/python3.10") == ""
    own = tmp_path / "usr/lib/python3.10/dist-packages/tensorrt-10.3.0.dist-info"
    own.mkdir(parents=True)
    assert jetson.pip_tensorrt(tree, "/usr/bin/python3.10") == ""
    (tmp_path / f"usr/local/lib/python3.10/{folder}/tensorrt_cu12-10.7.0.dist-info").mkdir(parents=True)
    assert jetson.pip_tensorrt(tree, "/usr/bin/python3.10") == "10.7.0"


def test_every_copy_of_the_npu_s_runtime_is_told(tmp_path: Path) -> None:
    for name, version in (("usr/lib", b"2.3.2 (a@2025)"), ("usr/lib64", b"1.5.0 (b@2023)")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "librknnrt.so").write_bytes(b"\0librknnrt version: " + version + b"\0")
    (tmp_path / "usr/local/lib").mkdir(parents=True)
    (tmp_path / "usr/local/lib/librknnrt.so").symlink_to("../../lib/librknnrt.so")
    found = rockchip.librknnrt(Tree(str(tmp_path)))
    assert found == [("/usr/lib/librknnrt.so", "2.3.2 (a@2025)"), ("/usr/lib64/librknnrt.so", "1.5.0 (b@2023)")]


@pytest.mark.parametrize(
    ("compatible", "socs"),
    [
        (["xunlong,orangepi-5", "rockchip,rk3588s"], ["rk3588s"]),
        (["rockchip,rk3588-evb1-lp4-v10", "rockchip,rk3588"], ["rk3588"]),
        (["radxa,e52c", "rockchip,rk3582", "rockchip,rk3588s"], []),
        (["radxa,rock-3a", "rockchip,rk3568"], []),
        ([], []),
    ],
)
def test_a_board_is_what_its_device_tree_names_first(tmp_path: Path, compatible: list[str], socs: list[str]) -> None:
    found = rockchip.rockchip(Tree(str(tmp_path)), compatible, "vendor", [("/usr/lib/librknnrt.so", "2.3.2")])
    assert [one["soc"] for one in found] == socs


def test_newest_compares_numbers() -> None:
    assert newest(["10.3.0", "10.16.2", "9.9"]) == "10.16.2"
    assert newest([]) == ""


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3,6\n", [0, 1, 2, 3, 6]),
        ("0 1 2", [0, 1, 2]),
        ("", []),
        ("x,2-,5-4,10000", []),
        ("4090-9999", list(range(4090, 4096))),
    ],
)
def test_cpu_lists(text: str, cpus: list[int]) -> None:
    assert processors.cpus_of(text) == cpus


def test_the_2d_engine_s_library_is_told(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    assert rockchip.librga(tree) == ""
    folder = tmp_path / "usr/lib/aarch64-linux-gnu"
    folder.mkdir(parents=True)
    (folder / "librga.so").write_bytes(b"\0rga_api version 1.9.3_[1]\0")
    assert rockchip.librga(tree) == "/usr/lib/aarch64-linux-gnu/librga.so 1.9.3_[1]"
    (folder / "librga.so.2").write_bytes(b"\0rga_api version 1.10.1_[0]\0")
    assert rockchip.librga(tree) == "/usr/lib/aarch64-linux-gnu/librga.so.2 1.10.1_[0]"
    (folder / "librga.so.2").write_bytes(b"\0another\0")
    assert rockchip.librga(tree) == "/usr/lib/aarch64-linux-gnu/librga.so.2 unknown" and tree.warnings
