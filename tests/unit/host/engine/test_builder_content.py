"""What a builder device says of itself is compared, and what it compiled is looked at, before anything is kept."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import EngineError
from edgekit.executor.local import LocalExecutor
from edgekit.host.engine.backends.on_device import timings_key
from edgekit.host.engine.builder.devices import BuilderDevice, Builders
from edgekit.host.engine.builder.measured import same_version
from edgekit.host.engine.model.reference import answers_of
from edgekit.schema.target import Accelerator
from tests.fakes import hostile_models
from tests.fakes.builder_board import BUILT_ON_ORIN, ORIN, BoardExecutor
from tests.fakes.builder_kit import pretended_kit
from tests.unit.host.engine.files.test_gpu_code import cubin
from tests.unit.host.engine.files.test_plan_file import plan
from tests.unit.host.engine.test_making import DeviceShop, Shop


class OrinShop(DeviceShop):
    """An Orin Nano that a test makes contradict itself."""

    def __init__(self, folder: Path, *facts: dict[str, Any], **built: Any) -> None:
        super().__init__(folder)
        board = BoardExecutor(*(facts or ({"accelerators": [ORIN]},)))
        (device,) = self.builders.devices
        self.builders = dataclasses.replace(self.builders, devices=(dataclasses.replace(device, executor=board),))
        (self.control / "built.json").write_text(json.dumps(BUILT_ON_ORIN | built))


def gpu(**changes: Any) -> dict[str, Any]:
    return {"accelerators": [ORIN | changes]}


def test_the_manifest_gets_what_was_measured(tmp_path: Path) -> None:
    measured = {"cuda": "12.9", "power_mode": "MAXN", "power_conf": "measured.conf", "sm_count": 6}
    shop = OrinShop(tmp_path, gpu(**measured) | {"model": "A board\x1b[31m", "l4t": "36.4.3"}, sm_count=6)
    facts = shop.make().entry.facts
    assert {name: facts[name] for name in measured} == {**measured, "sm_count": "6"}
    assert (facts["format"], facts["tensorrt"], facts["sm"]) == ("tensorrt plan", "10.3.0.30", "8.7")
    assert (facts["device"], facts["l4t"]) == ("A board", "36.4.3")


@pytest.mark.parametrize(
    ("facts", "built", "told"),
    [
        ((gpu(), gpu(power_mode="15W")), {}, "changed while it compiled: 25W with 8 SMs .* before, 15W with 8 SMs"),
        ((gpu(), gpu(sm_count=4)), {}, "changed while it compiled"),
        ((gpu(), gpu() | {"gpu_min_hz": 306_000_000, "gpu_max_hz": 1_020_000_000}), {}, "at 306 to 1020 MHz after"),
        ((gpu(), {"accelerators": []}), {}, "no GPU after"),
        ((gpu(),), {"toolkit": "10.7.0"}, "TensorRT 10.7.0 compiled, and its library is 10.3.0.30"),
        ((gpu(),), {"toolkit": ""}, "TensorRT of no version compiled"),
        ((gpu(),), {"toolkit": "10"}, "TensorRT 10 compiled"),
        ((gpu(),), {"sm": "8.6"}, "its driver says SM 8.6, and its facts say 8.7"),
        ((gpu(),), {"sm": ""}, "its driver says SM of no number"),
        ((gpu(),), {"sm_count": 4}, "its driver says 4 SMs, and its facts say 8"),
        ((gpu(),), {"power_status": "pmode:0001"}, "in another power mode than the one that is set now"),
        ((gpu(sm="8.6"),), {"sm": "8.6"}, "is for SM 8.6, and jetson-orin-nano-jp62 has SM 8.7"),
        ((gpu(runtime_version="10.7.0.23"),), {"toolkit": "10.7.0"}, "the builder has TensorRT 10.7.0.23"),
    ],
)
def test_a_device_that_contradicts_itself_or_the_target_is_not_believed(
    facts: tuple[dict[str, Any], ...], built: dict[str, Any], told: str, tmp_path: Path
) -> None:
    shop = OrinShop(tmp_path, *facts, **built)
    with pytest.raises(EngineError, match=told) as raised:
        shop.make()
    assert "bay-1" in raised.value.message
    assert shop.bench.store.list() == ()
    assert not list(shop.control.parent.glob("laid/job-*"))


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        (b"", "it is empty"),
        (b"rubbish", "does not begin as a TensorRT engine does"),
        (bytes(1000), "does not begin as a TensorRT engine does"),
        (plan()[:40], "cut short"),
        (plan((10, 7, 0, 23)), "is of TensorRT 10.7.0, and jetson-orin-nano-jp62 has TensorRT 10.3.0.30"),
        (plan((10, 3, 1, 30)), "is of TensorRT 10.3.1"),
        (plan((1, 7, 1, 116), b"vtrt"), "is of TensorRT-RTX 1.7.1"),
        (plan(body=bytes(100) + cubin(89)), "is for SM 8.9, and jetson-orin-nano-jp62 has SM 8.7"),
    ],
)
def test_what_is_no_engine_for_the_target_is_never_kept(engine: bytes, told: str, tmp_path: Path) -> None:
    shop = OrinShop(tmp_path)
    (shop.control / "engine").write_bytes(engine)
    with pytest.raises(EngineError, match="bay-1 made no usable engine of tiny: .*" + told):
        shop.make()
    assert shop.bench.store.list() == ()
    (shop.control / "engine").write_bytes(plan(body=bytes(100) + cubin(87)))
    assert not shop.make().from_cache  # the next run starts clean


def test_timings_that_are_none_go_to_no_other_device(tmp_path: Path) -> None:
    shop = OrinShop(tmp_path)
    shop.make()
    key = timings_key(shop.target, shop.target.accelerators[0])
    assert shop.bench.store.timings(key) == b""  # "timed;", what the pretended compiler leaves, is no timing cache


def test_timings_are_kept_for_the_next_device(tmp_path: Path) -> None:
    shop = OrinShop(tmp_path)
    key = timings_key(shop.target, shop.target.accelerators[0])
    shop.bench.store.save_timings(key, b"ptrt;")
    shop.make()
    assert shop.bench.store.timings(key) == b"ptrt;timed;"


class TunedDeviceShop(Shop):
    """ONNX Runtime on a builder device, whose compiler only pretends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "virt-arm64")
        accelerator = Accelerator(kind="onnxruntime", runtime_version="1.22")
        os_here = dataclasses.replace(self.target.os, python_path=sys.executable)
        self.target = dataclasses.replace(self.target, accelerators=(accelerator,), os=os_here)
        device = BuilderDevice(name="bay-1", executor=BoardExecutor(), prefix=str(folder / "root"))
        self.control = Path(device.folder, "control")
        self.control.mkdir(parents=True)
        kit = pretended_kit(folder / "kit")
        self.builders = Builders(devices=(device,), packages=kit, judge=lambda *_: (), holder="anna@desk")
        found = answers_of(self.path, self.source().pictures.tensors)
        np.savez(self.control / "answers.npz", **{f"output:{name}": one for name, one in found.items()})

    def spoil(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("engine", [b"", b"evil", bytes(3000), b"\x08\x09"])
def test_rubbish_with_the_right_answers_is_never_kept(engine: bytes, tmp_path: Path) -> None:
    shop = TunedDeviceShop(tmp_path)
    (shop.control / "engine").write_bytes(engine)
    with pytest.raises(EngineError, match="bay-1 made no usable engine of tiny: the engine is no ONNX model"):
        shop.make()
    assert shop.bench.store.list() == ()
    (shop.control / "engine").write_bytes(shop.path.read_bytes())
    assert shop.make().file.read_bytes() == shop.path.read_bytes()


def test_a_parser_s_bomb_is_read_within_limits(tmp_path: Path) -> None:
    """Two bytes make a node of a hundred: read in this process, a device's engine would take all memory."""
    shop = TunedDeviceShop(tmp_path)
    few = dataclasses.replace(shop.bench.limits, memory_bytes=1 << 30)
    shop.bench = dataclasses.replace(shop.bench, executor=LocalExecutor(), limits=few)
    (shop.control / "engine").write_bytes(hostile_models.empty_messages(64 << 20))
    with pytest.raises(EngineError, match=r"bay-1 made no usable engine of tiny: reading the engine .* of memory"):
        shop.make()
    assert shop.bench.store.list() == ()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("10.3.0", "10.3.0.30", True),
        ("10.3.0.30", "10.3.0.26", False),
        ("10.3.0.30-1+cuda12.5", "10.3.0.30", True),
        ("10.3", "10.3.0", False),
        ("", "", False),
    ],
)
def test_versions_of_tensorrt(first: str, second: str, same: bool) -> None:
    assert same_version(first, second) == same == same_version(second, first)
