"""From ONNX to a plan on the recorded API of every supported TensorRT: flags, pools, profiles, caches, failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekit.device.builder.accounting import MemoryAccount
from edgekit.device.builder.tensorrt import BuiltPlan, build_plan
from edgekit.device.runner.cuda import Gpu
from edgekit.device.runner.nvinfer import Nvinfer
from edgekit.errors import EngineError
from edgekit.schema.building import BuildRequest
from tests.fakes.networks import classifier, save, single, tiny
from tests.fakes.pycuda import Driver
from tests.fakes.recorded_api import SUPPORTED
from tests.fakes.tensorrt import Trt, facts_of


class Bay:
    def __init__(self, version: str, folder: Path, dla_cores: int = 0) -> None:
        self.folder, self.cuda = folder, Driver()
        self.trt = Trt(version, self.cuda, dla_cores=dla_cores)
        self.nvinfer = Nvinfer(self.trt)
        self.told: list[str] = []
        save(classifier(), folder / "model.onnx")

    def build(self, account: MemoryAccount | None = None, **fields: Any) -> BuiltPlan:
        request = BuildRequest(kind="tensorrt", model="model.onnx", engine="net.plan", **fields)
        return build_plan(request, self.folder, self.nvinfer, self.told.append, account)

    def facts(self) -> dict[str, Any]:
        return facts_of((self.folder / "net.plan").read_bytes())


@pytest.fixture(params=SUPPORTED)
def bay(request: pytest.FixtureRequest, tmp_path: Path) -> Bay:
    return Bay(request.param, tmp_path)


def test_a_plan_is_built_and_warnings_are_kept(bay: Bay) -> None:
    built = bay.build()
    assert built.warnings == ("a warning of the builder",)
    assert bay.facts()["flags"] == []
    monitored = bay.told == ["Building engine, step 1 of 2"]
    assert monitored == (not bay.trt.__version__.startswith("8."))  # inner phases are left out


def test_precisions_are_flags_where_there_are_flags(bay: Bay) -> None:
    flags = not bay.trt.__version__.startswith("11.")
    bay.build(precision="float16")
    assert bay.facts()["flags"] == (["FP16"] if flags else [])
    bay.build(precision="int8")
    assert bay.facts()["flags"] == (["FP16", "INT8"] if flags else [])


def test_both_pools_are_bounded(bay: Bay) -> None:
    bay.build(workspace_bytes=1 << 29, tactic_bytes=1 << 31)
    assert bay.facts()["pools"] == {"WORKSPACE": 1 << 29, "TACTIC_DRAM": 1 << 31}


def test_open_sizes_are_fixed_by_a_profile(bay: Bay) -> None:
    model = classifier()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    save(model, bay.folder / "model.onnx")
    bay.build(shapes={"images": (1, 3, 64, 64)})
    assert bay.facts()["profiles"] == [{"images": [[1, 3, 64, 64]] * 3}]
    with pytest.raises(EngineError, match="input images has open sizes"):
        bay.build()
    bay.trt.fails.add("add_optimization_profile")
    with pytest.raises(EngineError, match="fixing the input's sizes: Invalid optimization profiles"):
        bay.build(shapes={"images": (1, 3, 64, 64)})


def test_timings_are_taken_up_and_given_back(bay: Bay) -> None:
    assert not bay.build(timing_cache="t.cache").cache_used
    assert (bay.folder / "t.cache").read_bytes() == b"timed;"
    assert bay.build(timing_cache="t.cache").cache_used
    assert (bay.folder / "t.cache").read_bytes() == b"timed;timed;"


def test_timings_of_another_device_are_left_out(bay: Bay) -> None:
    (bay.folder / "t.cache").write_bytes(b"foreign")
    assert not bay.build(timing_cache="t.cache").cache_used
    assert (bay.folder / "t.cache").read_bytes() == b"timed;"


def test_a_dla_core_is_used_where_there_is_one(bay: Bay, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="DLA core 0 is asked for, and this board has 0"):
        bay.build(dla_core=0, precision="float16")
    with_cores = Bay(bay.trt.__version__, tmp_path, dla_cores=2)
    with_cores.build(dla_core=1, precision="float16")
    assert with_cores.facts()["dla"] == 1
    assert "GPU_FALLBACK" in with_cores.facts()["flags"]


def test_memory_is_counted_and_given_back(bay: Bay) -> None:
    gpu = Gpu(bay.cuda)
    account = MemoryAccount(gpu)
    with gpu.current():
        bay.build(account)
    assert account.peak_bytes == 4 << 20
    assert account.held_bytes == 0
    assert not bay.cuda.blocks


def test_an_account_has_a_bound_and_says_no_with_zero() -> None:
    cuda = Driver(limit_bytes=10 << 20)
    gpu = Gpu(cuda)
    with gpu.current():
        account = MemoryAccount(gpu, limit_bytes=4 << 20)
        first = account.take(3 << 20)
        assert first
        assert account.take(2 << 20) == 0
        assert MemoryAccount(gpu).take(20 << 20) == 0  # the GPU itself has no more
        assert not account.give_back(12345)
        assert account.give_back(first)
        assert account.take(4 << 20)


@pytest.mark.parametrize(
    ("call", "told", "hint"),
    [
        ("Builder", "TensorRT failed at starting its builder: it does not say why", "see what"),
        (
            "build_serialized_network",
            r"TensorRT failed at building model.onnx: Could not find any implementation for node \{ForeignNode\[a\]\}",
            "memory",
        ),
    ],
)
def test_what_fails_is_told_in_its_words(bay: Bay, call: str, told: str, hint: str) -> None:
    bay.trt.fails.add(call)
    with pytest.raises(EngineError, match=told) as raised:
        bay.build()
    assert hint in raised.value.hint


def test_nodes_are_named(bay: Bay) -> None:
    save(single("Frobnicate"), bay.folder / "model.onnx")
    with pytest.raises(EngineError) as raised:
        bay.build()
    where = "node number 0:" if bay.trt.__version__.startswith("8.") else "node out (Frobnicate):"
    assert f"reading model.onnx: {where} TensorRT has no such operator" in raised.value.message
    assert "replace the operator" in raised.value.hint


def test_what_was_logged_before_is_not_blamed(bay: Bay) -> None:
    bay.trt.fails.add("build_serialized_network")
    with pytest.raises(EngineError):
        bay.build()
    bay.trt.fails.clear()
    save(tiny(), bay.folder / "model.onnx")
    assert bay.build().warnings == ("a warning of the builder",)
