"""Frames through the GPU's kernel, from its own source on this CPU, behind pycuda's recorded face."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.device.builder.tensorrt import build_plan
from edgekit.device.runner import Runner
from edgekit.device.runner.cuda import Gpu
from edgekit.device.runner.cuda_picture import PictureJob
from edgekit.device.runner.nvinfer import Nvinfer
from edgekit.device.runner.tensorrt import GpuSystem, open_runner
from edgekit.errors import EngineError
from edgekit.imaging.conversion import plan_conversion
from edgekit.imaging.image import RgbImage
from edgekit.imaging.portable import PortableFiller
from edgekit.schema.building import BuildRequest
from edgekit.schema.plan import PICTURE_KERNEL, EnginePlan
from edgekit.schema.recipe import ColourContract, QuantisedInput
from tests.fakes.kernels import SOURCES
from tests.fakes.native import compile_program
from tests.fakes.networks import detector, save
from tests.fakes.pycuda import Driver
from tests.fakes.recorded_api import SUPPORTED
from tests.fakes.tensorrt import Trt
from tests.fakes.wheel_user import ROOT
from tests.unit.imaging.exact import COLOURS, FORMATS, frame_of, image_in

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
CUBIN = b"a program"
SIDE = 96


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = tmp_path_factory.mktemp("kernel") / "libpicture.so"
    options = ("-x", "c++", "-shared", "-fPIC", "-O2", "-ffp-contract=off", f"-I{SOURCES / 'src'}")
    options = (*options, "-fno-exceptions", "-Wno-unused-variable")
    compile_program([ROOT / "tests/fakes/cuda_on_cpu.cpp"], made, *options, target="native")
    library = ctypes.CDLL(str(made))
    assert library.job_bytes() == ctypes.sizeof(PictureJob)

    def run(address: int, block: Any, grid: Any) -> None:
        library.run(ctypes.c_void_p(address), (ctypes.c_uint * 3)(*block), (ctypes.c_uint * 3)(*grid))

    return run


class Orin:
    """A board with an engine for pictures of one contract."""

    def __init__(self, kernel: Any, folder: Path) -> None:
        self.cuda = Driver(kernels={CUBIN: {PICTURE_KERNEL: kernel}})
        self.trt = Trt(SUPPORTED[-1], self.cuda)
        self.system = GpuSystem(nvinfer=Nvinfer(self.trt), gpu=Gpu(self.cuda), kernel=CUBIN)
        save(detector(), folder / "model.onnx")
        shapes = {"images": (1, 3, SIDE, SIDE)}
        request = BuildRequest(kind="tensorrt", model="model.onnx", engine="net.plan", shapes=shapes)
        build_plan(request, folder, self.system.nvinfer, lambda _: None)
        self.file = folder / "net.plan"

    def load(self, contract: ColourContract, *, mapped: bool = True) -> Runner:
        plan = EnginePlan(runner="tensorrt", path="net.plan", input=contract, threads=1)
        return open_runner(plan, self.file, system=self.system, mapped=mapped)


@pytest.fixture
def orin(kernel: Any, tmp_path: Path) -> Iterator[Orin]:
    made = Orin(kernel, tmp_path)
    yield made
    gc.collect()
    assert not (made.cuda.blocks or made.cuda.streams), "something is left on the GPU"


def contract(**more: Any) -> ColourContract:
    return ColourContract(**{"width_px": SIDE, "height_px": SIDE, "order": "RGB", "scale": 1 / 255, **more})


@pytest.mark.parametrize("size", [(288, 162), (192, 192), (96, 96), (150, 101), (1920, 1080)])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_the_engine_reads_what_the_reference_gives(orin: Orin, size: tuple[int, int], order: str) -> None:
    runner = orin.load(contract(order=order, bars=114))
    for format_, (matrix, range_) in zip(FORMATS, COLOURS, strict=False):
        frame = image_in(format_, frame_of("random", *size), matrix, range_)
        plan = plan_conversion(frame.spec, contract(order=order, bars=114))
        filler = runner.filler(plan)
        assert filler is not None
        launched = orin.cuda.waited
        lent = runner.lend()
        lent["images"][:] = 77
        filler.fill(frame, lent["images"][0])
        assert orin.cuda.waited == launched + 1, "the GPU did it, and the thread slept until then"
        wanted = np.empty((3, SIDE, SIDE), np.float32)
        PortableFiller(plan).fill(frame, wanted)
        assert np.abs(lent["images"][0] - wanted).max() * 255 <= 1.01
        seen = runner.infer(lent)
        again = runner.infer({"images": lent["images"].copy()})
        np.testing.assert_array_equal(seen["scores"], again["scores"])
        filler.close()
        filler.close()
        del lent
    runner.close()


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "uint8", "scale": 1.0},
        {"dtype": "uint8", "scale": 1.0, "layout": "NHWC", "bars": 114},
        {"dtype": "int8", "quantised": QuantisedInput(scale=1 / 255, zero_point=-128)},
        {"order": "GRAY"},
        {"layout": "NHWC", "mean": (103.5, 116.3, 123.7), "scale": (0.017, 0.0175, 0.0171)},
    ],
)
def test_every_kind_of_tensor_is_written(orin: Orin, options: dict[str, Any]) -> None:
    """Into memory that the GPU reaches: the kernel alone, as one engine takes one kind."""
    from edgekit.device.runner.cuda import HostBuffer
    from edgekit.device.runner.cuda_picture import GpuPictures

    wanted_contract = contract(**options)
    frame = image_in("NV12", frame_of("random", 300, 140), "601", "full")
    plan = plan_conversion(frame.spec, wanted_contract)
    with orin.system.gpu.current():
        buffer = HostBuffer(orin.system.gpu, wanted_contract.tensor_shape, wanted_contract.dtype)
        pictures = GpuPictures(orin.system.gpu, CUBIN, lambda _: buffer.address)
    filler = pictures.filler(plan)
    assert filler is not None
    filler.fill(frame, buffer.array[0])
    wanted = np.empty(wanted_contract.tensor_shape, wanted_contract.dtype)
    PortableFiller(plan).fill(frame, wanted[0])
    step = max(plan.gains) if wanted_contract.dtype == "float32" else 1
    assert np.abs(buffer.array.astype(float) - wanted.astype(float)).max() <= 1.01 * step
    filler.close()
    with orin.system.gpu.current():
        buffer.free()


def test_memory_that_the_gpu_does_not_reach_is_filled_all_the_same(orin: Orin) -> None:
    runner = orin.load(contract())
    frame = image_in("I420", frame_of("random", 192, 108), "709", "limited")
    plan = plan_conversion(frame.spec, contract())
    filler = runner.filler(plan)
    assert filler is not None
    plain, wanted = np.zeros((3, SIDE, SIDE), np.float32), np.zeros((3, SIDE, SIDE), np.float32)
    filler.fill(frame, plain)
    PortableFiller(plan).fill(frame, wanted)
    assert np.abs(plain - wanted).max() * 255 <= 1.01
    filler.close()
    runner.close()


def test_what_the_kernel_cannot_do_is_left_to_the_cpu(orin: Orin) -> None:
    runner = orin.load(contract())
    pixels = RgbImage(pixels=np.zeros((SIDE, SIDE, 3), np.uint8), order="RGB")
    assert runner.filler(plan_conversion(pixels.spec, contract())) is None
    yuv = image_in("I420", frame_of("random", 150, 101), "709", "limited")
    assert runner.filler(plan_conversion(yuv.spec, contract(sampling="area"))) is None
    runner.close()
    copied = orin.load(contract(), mapped=False)
    assert copied.filler(plan_conversion(yuv.spec, contract())) is None
    copied.close()


def test_a_kernel_of_another_gpu_is_told(orin: Orin) -> None:
    orin.cuda.kernels.clear()
    with pytest.raises(EngineError, match=r"SM 8\.7\) does not take the release's kernel") as refused:
        orin.load(contract())
    assert "target" in refused.value.hint
