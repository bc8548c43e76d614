"""Boards that are none of ours: each is told by its name, with what can be done with it. Trees: tests/cases/detect."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import edgekit
from edgekit.host.catalogue.detect import target_from_facts
from edgekit.host.catalogue.identity import identify
from edgekit.host.catalogue.targets import list_targets
from edgekit.host.settings import settings_from
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.reader import from_raw
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board

TARGETS = list_targets(settings_from({}, Path(edgekit.__file__).parent), Path("none"))
CPU = "the CPU alone"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> DeviceFacts:
    """A board of no known kind with Debian 12."""
    raw = probe(str(build_board("rock-5b", tmp_path_factory.mktemp("board") / "root")), "/var/lib")
    return dataclasses.replace(from_raw(DeviceFacts, raw, "facts"), compatible=(), accelerators=())


def with_python(facts: DeviceFacts, version: str) -> DeviceFacts:
    return dataclasses.replace(facts, python=dataclasses.replace(facts.python, version=version))


@pytest.mark.parametrize(
    ("compatible", "python", "name", "advice"),
    [
        # hardware.md, section 1, for Thor and Xavier; Linux, bindings arm/{tegra,rockchip,bcm2835}, for the others.
        (("nvidia,p4071-0000+p3834-0008", "nvidia,tegra264"), "3.12.3", "a Jetson Thor", CPU),
        (("nvidia,p3449-0000+p3668-0000", "nvidia,tegra194"), "3.8.10", "a Jetson Xavier", "single wheels alone"),
        (("nvidia,p3449-0000+p3668-0000", "nvidia,tegra194"), "3.6.9", "a Jetson Xavier", "nothing: its maker's last"),
        (("nvidia,p2771-0000", "nvidia,tegra186"), "3.6.9", "a Jetson TX2", "nothing: its maker's last"),
        (("nvidia,jetson-nano", "nvidia,tegra210"), "3.6.9", "a Jetson Nano or TX1", "nothing: its maker's last"),
        (("nvidia,jetson-nano", "nvidia,tegra210"), "3.10.12", "a Jetson Nano or TX1", CPU),
        (("flipper,one-rev-f0b0c1", "rockchip,rk3576"), "3.13.5", "an RK3576", CPU),
        (("friendlyelec,nanopi-r5s", "rockchip,rk3568"), "3.11.2", "an RK3568", CPU),
        (("radxa,rock-3c", "rockchip,rk3566"), "3.9.2", "an RK3566", "single wheels alone"),
        (("raspberrypi,5-model-b", "brcm,bcm2712"), "3.11.2", "a Raspberry Pi", CPU),
        (("raspberrypi,4-model-b", "brcm,bcm2711"), "3.11.2", "a Raspberry Pi", CPU),
    ],
)
def test_a_stranger_is_told_by_name_and_by_what_is_possible(
    compatible: tuple[str, ...], python: str, name: str, advice: str, plain: DeviceFacts
) -> None:
    board = with_python(dataclasses.replace(plain, compatible=compatible), python)
    found = identify(board, TARGETS)
    assert (found.stranger, found.kind, found.match.target) == (name, name, "")
    assert found.advice.startswith(advice)
    assert bool(found.newer_python) == (version(python) < (3, 10))


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")[:2]))


def test_an_x86_machine_and_a_system_that_nothing_is_built_for(plain: DeviceFacts) -> None:
    desk = identify(dataclasses.replace(plain, arch="x86_64", model="Precision 7560"), TARGETS)
    assert (desk.stranger, desk.advice.startswith(CPU)) == ("an x86-64 machine", True)
    for odd in (dataclasses.replace(plain, arch="riscv64"), dataclasses.replace(plain, libc="", libc_version="")):
        found = identify(odd, TARGETS)
        assert found.stranger and found.advice.startswith("nothing: edgekit builds for 64-bit systems with glibc")


def test_a_board_that_a_target_of_ones_own_describes_is_no_stranger(plain: DeviceFacts) -> None:
    pi = dataclasses.replace(plain, compatible=("raspberrypi,5-model-b", "brcm,bcm2712"))
    own = target_from_facts(pi, name="pi")
    found = identify(pi, (*TARGETS, own))
    assert (found.stranger, found.kind, found.advice) == ("", "pi", "build with --target pi")


def test_an_old_python_leads_to_images_that_releases_are_built_for(plain: DeviceFacts) -> None:
    rock = with_python(
        dataclasses.replace(plain, compatible=("radxa,rock-5b", "rockchip,rk3588"), os_version="11"), "3.9.2"
    )
    found = identify(rock, TARGETS)
    wanted = "rk3588-debian12 or rk3588-debian13 or rk3588-ubuntu2204 or rk3588-ubuntu2404"
    assert found.newer_python == found.advice == f"flash an image that has one: that of target {wanted}"
    nano = dataclasses.replace(
        rock, compatible=("nvidia,p3768-0000+p3767-0005", "nvidia,p3767-0005", "nvidia,tegra234")
    )
    assert identify(nano, TARGETS).newer_python.endswith("jetson-orin-nano-jp62 or jetson-orin-nano-jp72")


def test_a_board_of_ours_with_an_unknown_system_is_no_stranger(plain: DeviceFacts) -> None:
    fedora = dataclasses.replace(
        plain, compatible=("radxa,rock-5b", "rockchip,rk3588"), os_id="fedora", os_version="44"
    )
    found = identify(fedora, TARGETS)
    assert (found.kind, found.advice, found.newer_python) == ("", "", "")


def test_what_a_release_for_another_system_is_told_works_on_that_board(plain: DeviceFacts) -> None:
    rock = dataclasses.replace(plain, compatible=("radxa,rock-5b", "rockchip,rk3588"))
    probe_it = "build the release for this board: edgekit target probe writes its target"
    assert identify(rock, TARGETS).rebuild == "build with --target rk3588-debian12"
    assert identify(dataclasses.replace(rock, os_id="fedora"), TARGETS).rebuild == probe_it
    assert identify(plain, TARGETS).rebuild == probe_it
    odd = dataclasses.replace(plain, arch="armv7l")
    for hopeless in (with_python(rock, "3.9.2"), with_python(plain, "3.9.2"), odd):
        found = identify(hopeless, TARGETS)
        assert found.rebuild == found.advice and probe_it not in found.rebuild
