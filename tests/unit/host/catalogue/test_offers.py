"""What targets offer, and that one which no release can run on says so with what can be had instead."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import edgekit
from edgekit.errors import InputError
from edgekit.host.catalogue.offers import check_runs_releases, offer_of, runs_releases
from edgekit.host.catalogue.targets import find_target, list_targets
from edgekit.host.settings import settings_from

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
TARGETS = list_targets(SETTINGS, Path("none"))
ENDED = {"jetson-orin-jp51", "rk3588-debian11", "rk3588-ubuntu2004"}


@pytest.mark.parametrize(
    ("name", "wheels", "engines", "limits"),
    [
        ("rk3588-debian12", "cp311, glibc 2.36", "rknn 2.3.2 for rk3588, made here", "enforced"),
        ("rk3588-ubuntu2204", "cp310, glibc 2.35", "rknn 2.3.2", "enforced, once cgroup version 2 is on"),
        ("rk3588-ubuntu2004", "cp38, glibc 2.31, alone", "none: Python 3.8", "none"),
        (
            "jetson-orin-nx-8gb-jp62",
            "cp310, glibc 2.35",
            "tensorrt 10.3.0.30 for 8 SMs in 40W, 1 DLA, by a builder device",
            "enforced",
        ),
        ("jetson-orin-jp60", "cp310, glibc 2.35", "onnxruntime on the CPU", "enforced"),
        ("jetson-orin-jp72", "cp312, glibc 2.39", "tensorrt 10.16.2.10, by a builder device of the same", "enforced"),
        ("virt-arm64", "cp311, glibc 2.36", "onnxruntime on the CPU", "enforced"),
    ],
)
def test_offers_in_words(name: str, wheels: str, engines: str, limits: str) -> None:
    offer = offer_of(find_target(name, SETTINGS, Path("none")))
    assert (offer.wheels, offer.limits) == (wheels, limits)
    assert offer.engines.startswith(engines)


def test_limits_are_advice_with_cgroup_version_1() -> None:
    target = find_target("rk3588-debian12", SETTINGS, Path("none"))
    old = dataclasses.replace(target, cgroup=dataclasses.replace(target.cgroup, version=1))
    assert offer_of(old).limits == "advisory: cgroup version 1"


def test_every_target_is_known_from_somewhere() -> None:
    assert all(target.known_from for target in TARGETS)
    assert {target.name for target in TARGETS if not runs_releases(target)} == ENDED


@pytest.mark.parametrize("name", sorted(ENDED))
def test_a_target_without_releases_leads_to_one_with(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} has Python 3.[89], and keeper and workers need 3.10") as caught:
        check_runs_releases(find_target(name, SETTINGS, Path("none")), TARGETS)
    hint = caught.value.hint
    assert hint.startswith(f"edgekit wheel build REQUIREMENT --target {name}, or flash the board anew and build for ")
    others = re.split(" or ", hint.rpartition("build for ")[2])
    assert others and all(runs_releases(find_target(other, SETTINGS, Path("none"))) for other in others)


@pytest.mark.parametrize("name", sorted({target.name for target in TARGETS} - ENDED))
def test_the_others_take_releases(name: str) -> None:
    check_runs_releases(find_target(name, SETTINGS, Path("none")), TARGETS)


def test_the_readmes_table_of_boards_says_what_targets_say() -> None:
    readme = (Path(edgekit.__file__).parents[1] / "README.md").read_text(encoding="utf-8").splitlines()
    for target in TARGETS:
        offer = offer_of(target)
        row = f"| `{target.name}` | {offer.wheels} | {offer.engines} | {offer.limits} | {target.known_from} |"
        assert row in readme
