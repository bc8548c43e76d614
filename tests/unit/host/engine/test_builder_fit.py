"""Which devices may compile for a target, and with how much memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.builder.fit import bounds_for, judge_builder, version_of
from edgekit.host.settings import settings_from
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.reader import from_raw
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board

TARGET = find_target("jetson-orin-nano-jp62", settings_from({}, Path(edgekit.__file__).parent))
NEEDED = TARGET.accelerators[0]


@pytest.fixture(scope="module")
def orin(tmp_path_factory: pytest.TempPathFactory) -> DeviceFacts:
    """An Orin Nano in its deployment mode, clocks locked."""
    raw = probe(str(build_board("orin-nano-jp62", tmp_path_factory.mktemp("board") / "root")), "/var/lib")
    return from_raw(DeviceFacts, raw | {"gpu_min_hz": 918000000, "gpu_max_hz": 918000000}, "facts")


def test_its_own_kind_may(orin: DeviceFacts) -> None:
    assert judge_builder(TARGET, NEEDED, orin) == ()


@pytest.mark.parametrize(
    ("accelerator", "facts", "told"),
    [
        ({"runtime_version": "8.6.2.3"}, {}, "its TensorRT is 8.6.2.3 and the target's is 10.3.0.30"),
        ({"runtime_version": "10.3.0.26-1+cuda12.5"}, {}, "its TensorRT is 10.3.0.26"),
        ({"runtime_version": ""}, {}, "it has no TensorRT"),
        ({"sm": "11.0"}, {}, "compute capability 11.0"),
        ({"power_mode": "7W"}, {}, "its power mode is 7W and releases run in 25W"),
        ({"sm_count": 4}, {}, "4 of its SMs are on and the target has 8"),
        ({}, {"gpu_min_hz": 306000000, "gpu_max_hz": 1020000000}, "between 306 and 1020 MHz: sudo jetson_clocks"),
        ({}, {"l4t": "39.2.0"}, "its L4T is 39.2.0"),
        ({}, {"l4t": "36.40.0"}, "its L4T is 36.40.0"),
        ({}, {"arch": "x86_64"}, "it is x86_64 and the target aarch64"),
        ({}, {"memory_available_bytes": 500 << 20}, "500.0 MiB of its memory are free and compiling takes 1.0 GiB"),
    ],
)
def test_another_may_not(orin: DeviceFacts, accelerator: dict, facts: dict, told: str) -> None:  # type: ignore[type-arg]
    changed = dataclasses.replace(orin.accelerators[0], **accelerator)
    found = judge_builder(TARGET, NEEDED, dataclasses.replace(orin, accelerators=(changed,), **facts))
    assert [reason for reason in found if told in reason], found


def test_another_python_may_not(orin: DeviceFacts) -> None:
    other = dataclasses.replace(orin, python=dataclasses.replace(orin.python, version="3.12.3"))
    assert judge_builder(TARGET, NEEDED, other) == ("its /usr/bin/python3 is Python 3.12 and the target's 3.10",)


def test_a_board_without_a_gpu_may_not(orin: DeviceFacts) -> None:
    assert judge_builder(TARGET, NEEDED, dataclasses.replace(orin, accelerators=())) == (
        "it has no TensorRT: install the JetPack that the target names",
    )


def test_both_minor_releases_of_a_target_may(orin: DeviceFacts) -> None:
    assert judge_builder(TARGET, NEEDED, dataclasses.replace(orin, l4t="36.5.0")) == ()


@pytest.mark.parametrize(("memory", "workspace", "tactics"), [(4, 0.5, 2), (8, 1, 4), (64, 1, 32)])
def test_memory_is_bounded_by_the_board(memory: int, workspace: float, tactics: int) -> None:
    target = dataclasses.replace(TARGET, memory=dataclasses.replace(TARGET.memory, total_bytes=memory << 30))
    bounds = bounds_for(target)
    assert (bounds.workspace_bytes, bounds.tactic_bytes) == (workspace * (1 << 30), tactics << 30)


def test_versions_of_packages() -> None:
    assert version_of("10.3.0.30-1+cuda12.5") == "10.3.0.30"
    assert version_of("") == ""
