"""Which devices may compile for a target."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.fit.builder import judge_builder
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


def judged(facts: DeviceFacts) -> list[str]:
    found = judge_builder(TARGET, NEEDED, facts)
    assert all(item.severity == "refuse" for item in found)
    assert not [item for item in found if "build the release again" in item.cure], "that is what is about to happen"
    return list(map(str, found))


def test_its_own_kind_may(orin: DeviceFacts) -> None:
    assert judged(orin) == []


@pytest.mark.parametrize(
    ("accelerator", "facts", "reason"),
    [
        (
            {"runtime_version": "8.6.2.3"},
            {},
            "TensorRT is 8.6.2.3, needed is 10.3.0.30: all four numbers count",
        ),
        ({"runtime_version": "10.3.0.26-1+cuda12.5"}, {}, "TensorRT is 10.3.0.26, needed is 10.3.0.30"),
        ({"sm": "11.0"}, {}, "the GPU's compute capability is 11.0, needed is 8.7: take a board of the target"),
        ({"sm": ""}, {}, "the GPU's compute capability is not there, needed is 8.7"),
        ({"power_mode": "7W"}, {}, "the power mode is 7W"),
        ({"power_mode": ""}, {}, "the power mode is not there, needed is 25W"),
        ({"sm_count": 4}, {}, "the number of SMs that are on is 4, needed is 8"),
        ({"sm_count": 0}, {}, "the number of SMs that are on is not there, needed is 8"),
        (
            {},
            {"gpu_min_hz": 306000000, "gpu_max_hz": 1020000000},
            "between 306 and 1020 MHz, needed is one: sudo",
        ),
        ({}, {"l4t": "39.2.0"}, "L4T is 39.2.0, needed is 36.4 or 36.5: update the board"),
        ({}, {"l4t": "36.40.0"}, "L4T is 36.40.0"),
        ({}, {"pip_tensorrt": "10.7.0"}, "the TensorRT that Python finds first is pip's 10.7.0"),
        ({}, {"arch": "x86_64"}, "the architecture is x86_64, needed is aarch64"),
        ({}, {"memory_available_bytes": 500 << 20}, "free memory is 500.0 MiB, needed is 1.0 GiB to compile"),
    ],
)
def test_another_may_not(orin: DeviceFacts, accelerator: dict[str, Any], facts: dict[str, Any], reason: str) -> None:
    changed = dataclasses.replace(orin.accelerators[0], **accelerator)
    (found,) = judged(dataclasses.replace(orin, accelerators=(changed,), **facts))
    assert reason in found


def test_another_python_may_not(orin: DeviceFacts) -> None:
    (found,) = judged(dataclasses.replace(orin, python=dataclasses.replace(orin.python, version="3.12.3")))
    assert found.startswith("/usr/bin/python3 is 3.12, needed is 3.10: ")


def test_a_board_without_a_gpu_or_its_library_may_not(orin: DeviceFacts) -> None:
    bare = dataclasses.replace(orin.accelerators[0], runtime_version="")
    for accelerators in ((), (bare,)):
        (found,) = judged(dataclasses.replace(orin, accelerators=accelerators))
        assert found == "TensorRT is not there, needed is 10.3.0.30: install the JetPack that the target names"


def test_both_minor_releases_of_a_target_may(orin: DeviceFacts) -> None:
    assert judged(dataclasses.replace(orin, l4t="36.5.0")) == []


def test_what_warns_of_a_finished_engine_alone_stops_no_compiler(orin: DeviceFacts) -> None:
    assert judged(dataclasses.replace(orin, l4t="36.4.7")) == []


def test_a_cpu_target_needs_the_system_and_some_memory(orin: DeviceFacts) -> None:
    cpu = dataclasses.replace(NEEDED, kind="onnxruntime")
    assert judge_builder(TARGET, cpu, dataclasses.replace(orin, accelerators=())) == ()
    (found,) = judge_builder(TARGET, cpu, dataclasses.replace(orin, memory_available_bytes=1 << 20))
    assert found.subject == "free memory"
