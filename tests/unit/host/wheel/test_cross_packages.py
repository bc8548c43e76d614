"""Rules of packages: the first that applies counts, what all share is said once, and the shipped ones are sound."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from edgekit.errors import InputError, WheelError
from edgekit.host.catalogue.offers import runs_releases
from edgekit.host.wheel.cross.failure import Providers
from edgekit.host.wheel.cross.images import find_image
from edgekit.host.wheel.cross.packages import NO_RULE, Rule, RuleFile, find_rule
from edgekit.host.wheel.cross.zig import read_zig
from edgekit.schema.reader import from_toml
from tests.fakes.shipped_targets import shipped_target as target

ROOT = Path(__file__).parents[4]
SHIPPED = sorted((ROOT / "cross/packages").glob("*.toml"))
BOARDS = sorted(file.stem for file in (ROOT / "targets").glob("*.toml") if file.stem != "host")
GATE = """
[[rules]]
cuda = "12.6"
versions = ">=2"
zig = "0.14.1"
[[rules]]
cuda = "13.2"
versions = ">=2"
environment = { CUDA = "13" }
[common]
reason = "both"
zig = "0.13.0"
environment = { CUDA = "any" }
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    (tmp_path / "gate.toml").write_text(GATE)
    return tmp_path


def test_most_packages_have_none(gate: Path) -> None:
    assert find_rule("numpy", "2.2.6", target("virt-arm64"), gate) is NO_RULE


def test_the_targets_cuda_chooses_and_a_rule_says_more_than_what_is_common(gate: Path) -> None:
    twelve = find_rule("gate", "2.1", target("jetson-orin-nano-jp62"), gate)
    assert (twelve.cuda, twelve.zig, twelve.environment, twelve.reason) == ("12.6", "0.14.1", {"CUDA": "any"}, "both")
    thirteen = find_rule("gate", "2.1", target("jetson-orin-jp72"), gate)
    assert (thirteen.cuda, thirteen.zig, thirteen.environment) == ("13.2", "0.13.0", {"CUDA": "13"})


def test_a_board_without_cuda_is_told_in_a_sentence(gate: Path) -> None:
    with pytest.raises(WheelError, match=r"gate is built for CUDA 12\.6 or 13\.2, and rk3588-debian12 has no CUDA"):
        find_rule("gate", "2.1", target("rk3588-debian12"), gate)


@pytest.mark.parametrize(
    ("version", "applies"), [("2.0", True), ("1.9", False), ("2.1rc1", True), ("2.0.post1", True), ("0", True)]
)
def test_a_rule_is_for_some_versions(version: str, applies: bool, gate: Path) -> None:
    """A folder of sources has no version, and pre-releases are built as releases are."""
    rule = find_rule("gate", version, target("jetson-orin-nano-jp62"), gate)
    assert (rule is not NO_RULE) == applies


def test_a_slip_in_a_rule_is_named(gate: Path) -> None:
    (gate / "gate.toml").write_text('[[rules]]\nsysrot = ["libcap"]\n')
    with pytest.raises(InputError, match="did you mean sysroot"):
        find_rule("gate", "1", target("virt-arm64"), gate)


def test_the_digest_names_what_can_change_a_wheel() -> None:
    rule = Rule(reason="because", environment={"A": "1"})
    assert rule.digest == dataclasses.replace(rule, reason="another", versions=">=1").digest
    changed = [{"environment": {"A": "2"}}, {"sysroot": ("x",)}, {"files": {"a": "b"}}, {"own_runtime": True}]
    assert len({rule.digest, *(dataclasses.replace(rule, **change).digest for change in changed)}) == 5


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_shipped_rules_name_what_there_is_and_why(file: Path) -> None:
    written = from_toml(RuleFile, file.read_text(), str(file))
    sets = (ROOT / "cross/debian/sets.toml").read_text()
    assert all(rule.reason or written.common.reason for rule in written.rules)
    for rule in (*written.rules, written.common):
        assert not rule.zig or rule.zig in read_zig(ROOT / "cross/zig").versions
        assert all(re.search(rf'^\[sets\."?{re.escape(name)}"?\]', sets, re.M) for name in rule.sysroot)
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+( --hash=sha256:[0-9a-f]{64})+", line) for line in rule.cuda_wheels)
        texts = [*rule.environment.values(), *rule.files.values()]
        assert {word for text in texts for word in re.findall("@(\\w+)@", text)} <= {"SYSROOT", "CUDA", "PYTHON"}
        assert all(re.compile(stub.pattern) for stub in rule.stubs)


def test_shipped_packages_are_for_the_targets_that_have_what_they_take() -> None:
    names = {file.stem for file in SHIPPED}
    assert {"pycuda", "python-prctl", "evdev", "dlib", "systemd-python"} <= names
    folder = ROOT / "cross/packages"
    for board in map(target, BOARDS):
        cuda = {accelerator.cuda for accelerator in board.accelerators} - {""}
        if cuda and runs_releases(board):
            assert find_rule("pycuda", "2026.1", board, folder).cuda in cuda, "JetPack's CUDA has a rule"
        for name in sorted(names - {"pycuda"}):
            assert find_rule(name, "9999", board, folder) is not NO_RULE


@pytest.mark.parametrize(
    ("header", "package"),
    [
        ("sys/capability.h", "libcap-dev"),
        ("jpeglib.h", "libjpeg62-turbo-dev"),
        ("libusb.h", "libusb-1.0-0-dev"),
        ("alsa/asoundlib.h", "libasound2-dev"),
        ("opencv2/opencv.hpp", "libopencv-dev"),
        ("ffi.h", "libffi-dev"),
        ("gst/gst.h", "libgstreamer1.0-dev"),
        ("cuda.h", "nvidia-cuda-runtime"),
        ("omp.h", "OpenMP"),
    ],
)
def test_headers_that_packages_often_miss_are_known(header: str, package: str) -> None:
    file = ROOT / "cross/headers.toml"
    providers = from_toml(Providers, file.read_text(), str(file)).providers
    assert [package in provider.package for provider in providers if header in provider.headers] == [True]


def test_nothing_is_told_twice() -> None:
    providers = from_toml(Providers, (ROOT / "cross/headers.toml").read_text(), "headers.toml").providers
    for names in ([h for p in providers for h in p.headers], [name for p in providers for name in p.libraries]):
        assert len(names) == len(set(names))


def test_images_of_the_shipped_boards_are_known_or_take_this_machines_headers() -> None:
    sets = (ROOT / "cross/debian/sets.toml").read_text()
    for board in map(target, BOARDS):
        image = find_image(board.os, ROOT / "cross")
        wanted = [image.python, image.runtime.set if image.runtime else ""]
        assert all(f'[sets."{name}"]' in sets for name in wanted if name)
        assert image.runtime or board.os.arch != "aarch64"
