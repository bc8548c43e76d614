"""The TensorRT runner on every recorded API, against ONNX Runtime: results, memory, threads, failures."""

from __future__ import annotations

import dataclasses
import gc
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edgekit.device.builder.tensorrt import build_plan
from edgekit.device.runner import Runner
from edgekit.device.runner.cuda import Gpu
from edgekit.device.runner.nvinfer import Nvinfer
from edgekit.device.runner.tensorrt import GpuSystem, open_runner
from edgekit.errors import EngineError, InputError
from edgekit.schema.building import BuildRequest
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract
from tests.fakes.networks import detector, save, tiny, two_by_two
from tests.fakes.pycuda import Driver
from tests.fakes.recorded_api import SUPPORTED
from tests.fakes.tensorrt import Trt

CONTRACT = ColourContract(width_px=96, height_px=96, order="RGB")
WANTED = EnginePlan(runner="tensorrt", path="net.plan", input=CONTRACT, threads=1)


class Bay:
    """A machine of one version, and an engine for it."""

    def __init__(self, version: str, folder: Path, model: onnx.ModelProto | None = None) -> None:
        self.cuda = Driver()
        self.trt = Trt(version, self.cuda)
        self.system = GpuSystem(nvinfer=Nvinfer(self.trt), gpu=Gpu(self.cuda))
        self.onnx = save(model or detector(), folder / "model.onnx")
        shapes = {"images": (1, 3, 96, 96)}
        request = BuildRequest(kind="tensorrt", model="model.onnx", engine="net.plan", shapes=shapes)
        build_plan(request, folder, self.system.nvinfer, lambda _: None)
        self.plan = folder / "net.plan"

    def nothing_left(self) -> bool:
        gc.collect()
        return not (self.cuda.blocks or self.trt.alive or self.cuda.streams)


@pytest.fixture(params=SUPPORTED)
def bay(request: pytest.FixtureRequest, tmp_path: Path) -> Bay:
    return Bay(request.param, tmp_path)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, 96, 96), np.float32)


def expected(bay: Bay, tensor: np.ndarray) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(str(bay.onnx))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": tensor}), strict=True))


def infer(runner: Runner, tensor: np.ndarray) -> dict[str, np.ndarray]:
    return runner.infer({runner.picture: tensor})


@pytest.mark.parametrize("mapped", [True, False])
def test_answers_are_the_models_own(bay: Bay, mapped: bool) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system, mapped=mapped)
    for seed in range(3):
        made = infer(runner, picture(seed))
        for name, want in expected(bay, picture(seed)).items():
            np.testing.assert_allclose(made[name], want, rtol=1e-5)
    assert runner.memory_bytes in (4096, 8192)
    runner.close()
    runner.close()
    assert bay.nothing_left()


def test_nothing_is_allocated_and_nobody_spins_while_it_runs(bay: Bay) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system)
    before = bay.cuda.allocations
    kept = [infer(runner, picture(seed)) for seed in range(5)]
    assert bay.cuda.allocations == before
    assert bay.cuda.waited == bay.cuda.launched == 5
    for seed, made in enumerate(kept):  # the caller owns them
        np.testing.assert_allclose(made["scores"], expected(bay, picture(seed))["scores"], rtol=1e-5)
    runner.close()


@pytest.mark.parametrize("mapped", [True, False])
def test_what_is_written_where_the_gpu_reads_is_not_copied(bay: Bay, mapped: bool) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system, mapped=mapped)
    lent = [runner.lend() for _ in range(2)]
    for seed, tensors in enumerate(lent):
        tensors["images"][:] = picture(seed)
    with runner.take() as slot:
        own = slot.inputs["images"]
        own[:] = 7.0
    for seed, tensors in enumerate(lent):
        made = runner.infer(tensors)
        np.testing.assert_allclose(made["boxes"], expected(bay, picture(seed))["boxes"], rtol=1e-5)
    assert (own == 7.0).all()
    del lent, tensors, own
    runner.close()
    assert bay.nothing_left()


def test_outputs_are_read_where_the_gpu_writes_them(bay: Bay) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system)
    with runner.take() as slot:
        addresses = set()
        for seed in range(3):
            slot.inputs["images"][:] = picture(seed)
            slot.submit()
            boxes = slot.wait()["boxes"]
            addresses.add(boxes.ctypes.data)
            np.testing.assert_allclose(boxes, expected(bay, picture(seed))["boxes"], rtol=1e-5)
    assert len(addresses) == 1
    del boxes
    runner.close()


def test_a_slot_that_goes_back_has_ended_what_it_began(bay: Bay) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system)
    with runner.take() as slot:
        slot.submit()
        assert (bay.cuda.launched, bay.cuda.waited) == (1, 0)
    assert (bay.cuda.launched, bay.cuda.waited) == (1, 1)
    runner.close()


def test_memory_that_is_lent_outlives_the_engine(bay: Bay) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system)
    lent = runner.lend()
    view = lent["images"][0, 1, 2:5]
    del lent
    runner.close()
    assert not bay.nothing_left()
    view[:] = 3.0
    del view
    assert bay.nothing_left()


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    bay = Bay("10.3.0", tmp_path, two_by_two())
    with pytest.raises(InputError, match="has no one input that takes the picture, it has 2: images, weight"):
        open_runner(WANTED, bay.plan, system=bay.system)
    runner = open_runner(dataclasses.replace(WANTED, picture="images"), bay.plan, system=bay.system)
    assert [(spec.name, spec.shape) for spec in runner.inputs] == [("images", (1, 3, 96, 96)), ("weight", (1, 1, 1, 2))]
    assert [spec.name for spec in runner.outputs] == ["more", "less"]
    weight = np.array([3.0, 1.0], np.float32).reshape(1, 1, 1, 2)
    made = runner.infer({"images": picture(), "weight": weight})
    np.testing.assert_allclose(made["more"], picture() * 3 + 1, rtol=1e-5)
    np.testing.assert_allclose(made["less"], picture() * 3 - 1, rtol=1e-5)
    runner.close()


def test_slots_run_beside_each_other_from_any_thread(tmp_path: Path) -> None:
    bay = Bay("10.3.0", tmp_path)
    runner = open_runner(WANTED, bay.plan, system=bay.system, slots=3)
    wrong: list[str] = []

    def work(seed: int) -> None:
        for _ in range(4):
            made, want = infer(runner, picture(seed)), expected(bay, picture(seed))
            if not np.allclose(made["scores"], want["scores"], rtol=1e-4):
                wrong.append(str(seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    runner.close()
    assert bay.nothing_left()


def test_an_open_batch_is_fixed_once_at_the_start(bay: Bay, tmp_path: Path) -> None:
    model = detector()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    folder = tmp_path / "open"
    folder.mkdir()
    other = Bay(bay.trt.__version__, folder, model)
    runner = open_runner(WANTED, other.plan, system=other.system)
    assert infer(runner, picture())["boxes"].shape == (1, 4, 12, 12)
    runner.close()


@pytest.mark.parametrize("call", ["Runtime", "create_execution_context", "set_input_shape"])
def test_a_load_that_fails_says_why_and_leaves_nothing(bay: Bay, call: str) -> None:
    bay.trt.fails.add(call)
    with pytest.raises(EngineError, match="TensorRT failed at"):
        open_runner(WANTED, bay.plan, system=bay.system)
    assert bay.nothing_left()


def test_a_call_that_fails_leaves_the_slot_usable(bay: Bay) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system)
    bay.trt.fails.add("execute_async_v3")
    with pytest.raises(EngineError, match="running the engine: IExecutionContext::enqueueV3: Error Code 1"):
        infer(runner, picture())
    bay.trt.fails.clear()
    assert infer(runner, picture())
    runner.close()


def _other_version(bay: Bay) -> None:
    data = bytearray(bay.plan.read_bytes())
    data[25] ^= 1
    bay.plan.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "told", "hint"),
    [
        (_other_version, "not compatible with this version of TensorRT", "build the engine again"),
        (lambda bay: bay.plan.write_bytes(b"no plan at all"), "magicTag", "no TensorRT engine"),
    ],
)
def test_a_file_that_does_not_load_is_told(bay: Bay, spoil: Callable[[Bay], None], told: str, hint: str) -> None:
    spoil(bay)
    with pytest.raises(EngineError, match=told) as raised:
        open_runner(WANTED, bay.plan, system=bay.system)
    assert hint in raised.value.hint


def test_another_contract_is_refused(tmp_path: Path) -> None:
    bay = Bay("10.3.0", tmp_path, tiny())
    with pytest.raises(
        InputError, match=r"takes float32 \[1, 3, 16, 16\] as 'images', its contract says float32 \[1, 3, 96, 96\]"
    ):
        open_runner(WANTED, bay.plan, system=bay.system)
    assert bay.nothing_left()


def test_another_tensor_is_refused(bay: Bay) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system)
    with pytest.raises(EngineError, match=r"takes float32 \[1, 3, 96, 96\] as its input images, it was given uint8"):
        infer(runner, np.zeros((1, 3, 96, 96), np.uint8))
    runner.close()
