"""Frames through the release's kernel on a real GPU, held against the reference: `make test-gpu`.

It takes pycuda and a GPU; TensorRT is not asked for.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.device.runner.cuda import Gpu, HostBuffer
from edgekit.device.runner.cuda_picture import GpuPictures
from edgekit.device.runner.cuda_probe import probe_cuda
from edgekit.errors import EngineError
from edgekit.executor.local import LocalExecutor
from edgekit.host.engine.nvrtc.compiler import Nvrtc
from edgekit.host.progress import Silent
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.imaging.conversion import plan_conversion
from edgekit.imaging.portable import PortableFiller
from edgekit.schema.plan import PICTURE_KERNEL
from edgekit.schema.recipe import ColourContract, QuantisedInput
from tests.unit.imaging.exact import COLOURS, FORMATS, frame_of, image_in

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).parents[2]
SHAPES = {"3:1": (640, 640, "letterbox"), "2:1": (960, 540, "stretch"), "1.9:1": (1000, 600, "stretch")}
CONTRACTS: dict[str, dict[str, Any]] = {
    "float32": {"scale": 1 / 255, "bars": 114},
    "BGR, mean of each channel": {"order": "BGR", "mean": (103.5, 116.3, 123.7), "scale": (0.017, 0.0175, 0.0171)},
    "uint8, interleaved": {"dtype": "uint8", "layout": "NHWC", "bars": 114},
    "int8": {"dtype": "int8", "scale": 1 / 255, "quantised": QuantisedInput(scale=1 / 255, zero_point=-128)},
    "grey": {"order": "GRAY", "scale": 1 / 255},
}


@dataclass(frozen=True)
class Bench:
    gpu: Gpu
    cubin: bytes


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    pytest.importorskip("pycuda", reason="there is no pycuda on this machine")
    uv = pytest.importorskip("uv", reason="there is no uv on this machine")
    try:
        probe_cuda(LocalExecutor(), sys.executable)
    except EngineError as error:
        pytest.skip(f"there is no GPU on this machine: {error.message}")
    import pycuda.driver as cuda

    gpu, executor = Gpu(cuda), LocalExecutor()
    nvrtc = Nvrtc(
        folder=tmp_path_factory.mktemp("nvrtc"),
        data=ROOT / "cross" / "nvrtc.toml",
        uv=uv.find_uv_bin(),
        executor=executor,
        sandbox=Sandbox(executor, Silent()),
        progress=Silent(),
    )
    source = ROOT / "cross" / "kernels" / "src" / "picture.cu"
    cubin = nvrtc.compile(source, PICTURE_KERNEL, sm=gpu.capability, cuda="12.6").read_bytes()
    print(f"\n{cuda.Device(0).name()}, SM {gpu.capability}, a kernel of {len(cubin)} bytes")
    yield Bench(gpu, cubin)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("contract", CONTRACTS)
def test_it_gives_the_reference_s_picture(bench: Bench, shape: str, contract: str) -> None:
    width, height, fit = SHAPES[shape]
    wanted = ColourContract(width_px=width, height_px=height, fit=fit, **{"order": "RGB", **CONTRACTS[contract]})  # type: ignore[arg-type]
    with bench.gpu.current():
        buffer = HostBuffer(bench.gpu, wanted.tensor_shape, wanted.dtype)
        pictures = GpuPictures(bench.gpu, bench.cubin, lambda _: buffer.address)
    for format_, (matrix, range_) in zip(FORMATS, COLOURS, strict=False):
        for kind in ("random", "gradients"):
            frame = image_in(format_, frame_of(kind, 1920, 1080), matrix, range_)
            plan = plan_conversion(frame.spec, wanted)
            filler = pictures.filler(plan)
            assert filler is not None
            buffer.array[:] = 77
            filler.fill(frame, buffer.array[0])
            reference = np.empty(wanted.tensor_shape, wanted.dtype)
            PortableFiller(plan).fill(frame, reference[0])
            step = max(plan.gains) if wanted.dtype == "float32" else 1
            off = np.abs(buffer.array.astype(float) - reference.astype(float)).max() / step
            assert off <= (2 if wanted.dtype == "int8" else 1.05), (format_, matrix, range_, kind)
            filler.close()
    with bench.gpu.current():
        buffer.free()


def test_how_long_it_takes(bench: Bench) -> None:
    """1080p NV12 to float32 640x640, letterboxed; planes copied to where the GPU reaches them, and waited for."""
    wanted = ColourContract(width_px=640, height_px=640, order="RGB", scale=1 / 255, bars=114)
    frame = image_in("NV12", frame_of("random", 1920, 1080), "709", "limited")
    plan = plan_conversion(frame.spec, wanted)
    with bench.gpu.current():
        buffer = HostBuffer(bench.gpu, wanted.tensor_shape, wanted.dtype)
        filler = GpuPictures(bench.gpu, bench.cubin, lambda _: buffer.address).filler(plan)
    assert filler is not None
    on_cpu, there = PortableFiller(plan), np.empty(wanted.tensor_shape, wanted.dtype)
    ratios, taken = [], []
    for _ in range(100):
        began = time.perf_counter()
        filler.fill(frame, buffer.array[0])
        done = time.perf_counter()
        on_cpu.fill(frame, there[0])
        ratios.append((time.perf_counter() - done) / (done - began))
        taken.append(done - began)
    print(f"\n{statistics.median(taken) * 1e6:.0f} us a frame, {statistics.median(ratios):.2f} times the portable one")
    filler.close()
    with bench.gpu.current():
        buffer.free()
