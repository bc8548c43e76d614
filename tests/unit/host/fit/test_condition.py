"""Faults of boards that real ones had: each is found in a tree, and its hint, followed there, ends it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.host.fit.condition import judge_condition
from edgekit.host.fit.finding import Finding
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.reader import from_raw
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board, names


def findings(root: Path) -> tuple[Finding, ...]:
    return judge_condition(from_raw(DeviceFacts, probe(str(root), "/var/lib"), "facts"))


def follow(finding: Finding, root: Path) -> None:
    """Run the commands of a hint on a tree in the root's place."""
    command = re.split("[,;] ", finding.cure)[0].replace("sudo ", "")
    command = re.sub("(?<= )/(?=(dev|usr)/)", f"{root}/", command)
    subprocess.run(["sh", "-ec", command], check=True)


def link_of_the_npu(root: Path) -> None:
    node = root / "dev/dri/renderD129"
    node.parent.mkdir(parents=True)
    node.touch()
    (root / "dev/rknpu").symlink_to("dri/renderD129")


def renamed_library(root: Path) -> None:
    folder = root / "usr/lib"
    (folder / "librknnrt.so").rename(folder / "librknnrt.so.2.3.0")
    (folder / "librknnrt.so").symlink_to("librknnrt.so.2.3.0")


def library_that_nothing_links_to(root: Path) -> None:
    (root / "usr/lib/librknnrt.so.1.6.0").write_bytes((root / "usr/lib/librknnrt.so").read_bytes())


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (
            link_of_the_npu,
            "/dev/rknpu is a link to renderD129, with which librknnrt takes this driver for an older kind, "
            "needed is no such name: sudo rm /dev/rknpu, and remove the rule that makes it: "
            "grep -l rknpu /etc/udev/rules.d/* /lib/udev/rules.d/*",
        ),
        (
            renamed_library,
            "/usr/lib/librknnrt.so.2.3.0 is librknnrt 2.3.2 inside, needed is 2.3.0, as its name says: "
            "sudo mv /usr/lib/librknnrt.so.2.3.0 /usr/lib/librknnrt.so.2.3.2 && "
            "sudo ln -sfn librknnrt.so.2.3.2 /usr/lib/librknnrt.so",
        ),
        (
            library_that_nothing_links_to,
            "/usr/lib/librknnrt.so.1.6.0 is librknnrt 2.3.2 inside, needed is 1.6.0, as its name says: "
            "sudo mv /usr/lib/librknnrt.so.1.6.0 /usr/lib/librknnrt.so.2.3.2",
        ),
    ],
)
def test_a_fault_is_found_and_its_hint_ends_it(break_it: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    root = build_board("rock-5b", tmp_path / "root")
    assert findings(root) == ()
    break_it(root)
    (found,) = findings(root)
    assert (str(found), found.severity) == (said, "warn")
    follow(found, root)
    assert findings(root) == ()
    runtime = from_raw(DeviceFacts, probe(str(root), "/var/lib"), "facts").accelerators[0].runtime_version
    assert runtime.startswith("2.3.2 ")


@pytest.mark.parametrize("name", ["librknnrt.so.2", "librknnrt.so.2.3", "librknnrt.so.2.3.2"])
def test_a_name_that_says_less_does_not_lie(name: str, tmp_path: Path) -> None:
    root = build_board("rock-5b", tmp_path / "root")
    (root / "usr/lib/librknnrt.so").rename(root / "usr/lib" / name)
    (root / "usr/lib/librknnrt.so").symlink_to(name)
    assert findings(root) == ()


@pytest.mark.parametrize(("version", "bad"), [("0.8.2", 0), ("0.9.2", 1), ("0.9.3", 1), ("0.9.6", 0), ("0.9.8", 0)])
def test_drivers_that_fail_on_two_cores_are_named(version: str, bad: int, tmp_path: Path) -> None:
    root = build_board("rock-5b", tmp_path / "root")
    (root / "sys/kernel/debug/rknpu/version").write_text(f"RKNPU driver: v{version}\n")
    found = findings(root)
    assert [item.subject for item in found] == ["the rknpu driver"] * bad
    assert all("6.1.43-20 of Radxa has 0.9.6" in str(item) for item in found)


@pytest.mark.parametrize("status", ["", "pmode:0009\n", "fmode:quiet\n"])
def test_a_power_mode_that_is_not_set_is_named_with_the_default(status: str, tmp_path: Path) -> None:
    root = build_board("orin-nano-jp62", tmp_path / "root")
    assert findings(root) == ()
    file = root / "var/lib/nvpmodel/status"
    if status:
        file.write_text(status)
    else:
        file.unlink()
    (found,) = findings(root)
    assert str(found) == (
        "the power mode is not set, needed is one of 1 25W, 0 15W, 2 MAXN_SUPER: "
        "sudo nvpmodel -m 1 sets 25W; reboot where it asks for that"
    )
    file.write_text("pmode:0001\n")  # what that command leaves
    assert findings(root) == ()


def test_a_power_mode_that_may_not_be_read_is_not_judged(tmp_path: Path) -> None:
    root = build_board("orin-nano-jp62", tmp_path / "root")
    (root / "var/lib/nvpmodel/status").unlink()
    (root / "var/lib/nvpmodel/status").mkdir()
    assert findings(root) == ()


def test_a_mask_that_is_not_the_power_modes_is_told_and_gone_after_the_reboot_that_is_asked_for(tmp_path: Path) -> None:
    root = build_board("agx-orin-64-jp621", tmp_path / "root")
    assert probe(str(root), "/var/lib")["warnings"] == ["power mode MAXN has 16 SMs, 8 are on: reboot the board"]
    (root / "sys/devices/platform/gpu.0/tpc_pg_mask").write_text("0\n")  # nvpmodel writes it before the GPU is used
    assert probe(str(root), "/var/lib")["warnings"] == []


def test_no_other_board_has_such_a_fault(tmp_path: Path) -> None:
    found = {board: [item.subject for item in findings(build_board(board, tmp_path / board))] for board in names()}
    assert {board: subjects for board, subjects in found.items() if subjects} == {
        "nanopc-t6": ["the rknpu driver"],  # 0.9.3
        "turing-rk1-jammy-510": ["the rknpu driver"],  # 0.9.2
    }
