"""The whole way on a real GPU: `make test-gpu` on a Jetson, or on any machine with TensorRT, pycuda and a GPU."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from edgekit.device.builder.tensorrt import build
from edgekit.device.runner.cuda import open_gpu
from edgekit.device.runner.cuda_probe import probe_cuda
from edgekit.device.runner.cuda_streams import LIBRARY, PriorityStream, open_stream
from edgekit.device.runner.tensorrt import open_runner
from edgekit.errors import EngineError
from edgekit.executor.local import LocalExecutor
from edgekit.host.engine.files.plan_file import PlanFile, read_plan
from edgekit.host.engine.model.half import to_half
from edgekit.host.engine.model.quantise import quantise
from edgekit.schema.building import BuildRequest
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract, Quantisation
from tests.fakes.networks import classifier, detector, pictures, save

pytestmark = pytest.mark.gpu
SIZES = {"classifier": (classifier, 64), "detector": (detector, 96)}


@pytest.fixture(scope="module", autouse=True)
def gpu() -> None:
    for module in ("tensorrt", "pycuda"):
        pytest.importorskip(module, reason=f"there is no {module} on this machine")
    try:
        found = probe_cuda(LocalExecutor(), sys.executable)
    except EngineError as error:
        pytest.skip(f"there is no GPU on this machine: {error.message}")
    import pycuda.driver as cuda
    import tensorrt

    cuda.init()
    print(f"\n{cuda.Device(0).name()}, CUDA {found.driver}, TensorRT {tensorrt.__version__}")


def test_a_models_priority_is_its_streams() -> None:
    gpu, level = open_gpu(), ctypes.c_int()
    with gpu.current():
        stream = open_stream(gpu, 100)
        assert isinstance(stream, PriorityStream)
        code = ctypes.CDLL(LIBRARY).cuStreamGetPriority(ctypes.c_void_p(stream.handle), ctypes.byref(level))
        stream.close()
    assert code == 0 and level.value == stream.level < 0


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
@pytest.mark.parametrize("mapped", [True, False])
def test_an_engine_is_built_and_agrees(name: str, precision: Any, mapped: bool, tmp_path: Path) -> None:
    import tensorrt

    made, size = SIZES[name]
    plain = save(made(), tmp_path / "plain.onnx")
    frames = (pictures(8, size, size).astype(np.float32) / 255).transpose(0, 3, 1, 2)
    model = plain.read_bytes()
    if precision == "int8":
        model = quantise(plain, frames, Quantisation(), "tensorrt").model
    elif precision == "float16" and not hasattr(tensorrt.BuilderFlag, "FP16"):
        model = to_half(plain)
    (tmp_path / "model.onnx").write_bytes(model)
    request = BuildRequest(
        kind="tensorrt",
        model="model.onnx",
        engine="net.plan",
        precision=precision,
        workspace_bytes=256 << 20,
        tactic_bytes=1 << 30,
        timing_cache="t.cache",
    )
    answer = build(request, tmp_path, lambda _: None)
    assert answer.gpu_peak_bytes > 0
    plan = read_plan(tmp_path / "net.plan")
    assert isinstance(plan, PlanFile)
    assert ".".join(map(str, plan.version[:3])) in answer.toolkit
    contract = ColourContract(width_px=size, height_px=size, order="RGB")
    wanted = EnginePlan(runner="tensorrt", path="net.plan", input=contract, threads=1)
    runner = open_runner(wanted, tmp_path / "net.plan", slots=2, mapped=mapped)
    session = ort.InferenceSession(str(plain), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for frame in frames:
        lent = runner.lend()
        lent[runner.picture][:] = frame
        found = runner.infer(lent)
        for output, want in zip(names, session.run(names, {"images": frame[None]}), strict=True):
            got = found[output].astype(np.float64).ravel()
            cosine = got @ want.ravel() / (np.linalg.norm(got) * np.linalg.norm(want) or 1)
            assert cosine > 0.99, (output, cosine)
    del lent
    runner.close()
