"""RK3588's 2D engine against a library that watches how it is called, and into memory without coherent caches."""

from __future__ import annotations

import ctypes
import dataclasses
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.device.runner import Runner, librga
from edgekit.device.runner.librga import RgaBuffer, RgaJob, RgaLayout, RgaRectangle, open_rga
from edgekit.device.runner.rga_picture import unfit_for_rga
from edgekit.device.runner.rknn import rga_for
from edgekit.errors import EngineError, InputError
from edgekit.imaging.conversion import plan_conversion
from edgekit.imaging.image import RgbSpec
from edgekit.imaging.planning import Conversion
from edgekit.imaging.portable import PortableFiller
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract, QuantisedInput
from tests.fakes.librga import FakeRga
from tests.fakes.native import compile_library
from tests.fakes.rknnrt import FakeRuntime
from tests.unit.imaging.exact import FORMATS, frame_of, image_in

SIDE = 96
MEAN_LEVELS, MOST_LEVELS = 2.0, 8
"""How far a smooth picture may be from the reference where the board's own filter makes it: on average, and at all."""
COLOURS = (("601", "limited"), ("601", "full"), ("709", "limited"))


def contract(**more: Any) -> ColourContract:
    usual = {"width_px": SIDE, "height_px": SIDE, "order": "RGB", "layout": "NHWC", "dtype": "uint8", "sampling": "any"}
    return ColourContract(**{**usual, "fit": "letterbox", "bars": 114, **more})


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("libraries")
    return compile_library("rknnrt.c", folder), compile_library("librga.c", folder)


class Rock:
    """A board with NPU and 2D engine."""

    def __init__(self, npu: FakeRuntime, rga: FakeRga) -> None:
        self.npu, self.rga = npu, rga

    def load(self, wanted: ColourContract) -> Runner:
        self.npu.model(f"images=1x{wanted.height_px}x{wanted.width_px}x3 out=1x8")
        return self.npu.load(wanted, rga=self.rga.open(), cores=[1, 2])


@pytest.fixture
def rock(libraries: tuple[Path, Path]) -> Iterator[Rock]:
    """Every test must leave nothing behind and call nothing wrongly, unless it says so itself."""
    board = Rock(FakeRuntime(libraries[0]), FakeRga(libraries[1]))
    yield board
    assert (board.npu.faults, board.rga.faults) == ("", "")
    assert (board.npu.live, board.rga.live) == (0, 0)
    board.npu.reset()
    board.rga.reset()


def reference(plan: Conversion, frame: Any) -> np.ndarray:
    wanted = np.empty(plan.contract.tensor_shape, np.uint8)
    PortableFiller(plan).fill(frame, wanted[0])
    return wanted


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("colours", COLOURS, ids="-".join)
def test_a_frame_is_written_where_the_npu_reads_it(rock: Rock, colours: Any, format_: str, order: str) -> None:
    wanted = contract(order=order)
    runner, frame = rock.load(wanted), image_in(format_, frame_of("gradient", 300, 162), *colours)
    plan = plan_conversion(frame.spec, wanted)
    filler = runner.filler(plan)
    assert filler is not None
    around = plan.around
    for picture in range(2):
        lent, held = runner.lend_picture(around)
        tensor = lent["images"]
        filler.fill(frame, tensor[0], bars=not held)
        runner.filled(tensor, around)
        off = np.abs(tensor.astype(int) - reference(plan, frame))
        assert off.mean() <= MEAN_LEVELS and off.max() <= MOST_LEVELS, "the CPU sees what RGA wrote"
        fit = plan.fit
        assert not off[:, : fit.top_px].any() and not off[:, fit.top_px + fit.height_px :].any(), "bars are exact"
        assert rock.rga.jobs == picture + 1
        with runner.take(lent) as slot:
            slot.submit(lent)
            out = slot.wait()["out"]
            assert list(out.flat[:2]) == [tensor.flat[0], tensor.flat[-1]], "and so does the NPU"
        del lent, tensor, out
    filler.close()
    filler.close()
    runner.close()


def test_what_the_npu_reads_is_the_picture_itself(rock: Rock) -> None:
    """Without bars: first and last byte are pixels that RGA wrote, never the CPU."""
    wanted = contract(fit="stretch", bars=0)
    runner, frame = rock.load(wanted), image_in("NV12", frame_of("gradient", 192, 192), "709", "limited")
    filler = runner.filler(plan_conversion(frame.spec, wanted))
    assert filler is not None
    lent = runner.lend()
    lent["images"][:] = 77  # dirty lines of the cache
    filler.fill(frame, lent["images"][0], bars=False)
    assert 77 not in (first := int(lent["images"].flat[0]), last := int(lent["images"].flat[-1]))
    assert list(runner.infer(lent)["out"].flat[:2]) == [first, last]
    del lent
    filler.close()
    runner.close()


def test_a_crop_is_the_frame_s_middle(rock: Rock) -> None:
    wanted = contract(fit="crop", bars=0)
    runner, frame = rock.load(wanted), image_in("I420", frame_of("gradient", 320, 160), "601", "full")
    plan = plan_conversion(frame.spec, wanted)
    filler, lent = runner.filler(plan), runner.lend()
    assert filler is not None
    filler.fill(frame, lent["images"][0])
    off = np.abs(lent["images"].astype(int) - reference(plan, frame))
    assert off.mean() <= MEAN_LEVELS and off.max() <= MOST_LEVELS and rock.rga.jobs == 1
    del lent
    filler.close()
    runner.close()


def test_two_streams_at_the_same_time(rock: Rock) -> None:
    """Each thread chooses its cores for itself, and two pictures of other sizes lie apart."""
    wanted = contract()
    runner = rock.load(wanted)
    frames = [image_in("NV12", frame_of("gradient", width, 162), "709", "limited") for width in (300, 200)]
    worst: list[float] = []

    def convert(frame: Any) -> None:
        plan = plan_conversion(frame.spec, wanted)
        filler = runner.filler(plan)
        assert filler is not None
        for _ in range(5):
            lent = runner.lend()
            filler.fill(frame, lent["images"][0])
            worst.append(float(np.abs(lent["images"].astype(int) - reference(plan, frame)).max()))
            del lent
        filler.close()

    threads = [threading.Thread(target=convert, args=(frame,)) for frame in frames]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(worst) == 10 and max(worst) <= MOST_LEVELS and rock.rga.jobs <= 10
    runner.close()


def test_memory_that_it_does_not_reach_is_the_cpu_s(rock: Rock) -> None:
    wanted = contract()
    runner, frame = rock.load(wanted), image_in("I420", frame_of("random", 192, 108), "709", "limited")
    plan = plan_conversion(frame.spec, wanted)
    filler = runner.filler(plan)
    assert filler is not None
    plain = np.zeros(wanted.tensor_shape, np.uint8)
    filler.fill(frame, plain[0])
    assert np.abs(plain.astype(int) - reference(plan, frame)).max() <= 1 and rock.rga.jobs == 0
    filler.close()
    runner.close()


def test_a_frame_of_another_kind_is_refused(rock: Rock) -> None:
    wanted = contract()
    runner, frame = rock.load(wanted), image_in("I420", frame_of("random", 192, 108), "709", "limited")
    filler = runner.filler(plan_conversion(frame.spec, wanted))
    assert filler is not None
    lent, other = runner.lend(), image_in("I420", frame_of("random", 192, 108), "601", "limited")
    with pytest.raises(ValueError, match="planned was"):
        filler.fill(other, lent["images"][0])
    del lent
    filler.close()
    runner.close()


UNFIT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "linear": ({"sampling": "linear"}, {}, "scales in its own way"),
    "BT.709 full": ({}, {"range": "full"}, "does not convert BT.709 full exactly"),
    "BT.2020": ({}, {"matrix": "2020"}, "does not convert BT.2020 limited exactly"),
    "grey": ({"order": "GRAY"}, {}, "writes RGB or BGR"),
    "planes": ({"layout": "NCHW"}, {}, "writes RGB or BGR"),
    "floats": ({"dtype": "float32"}, {}, "writes RGB or BGR"),
    "numbers for numbers": ({"quantised": QuantisedInput(scale=0.5)}, {}, "writes RGB or BGR"),
    "odd": ({}, {"width_px": 301}, "even places"),
    "nine times smaller": ({"fit": "stretch", "bars": 0}, {"height_px": SIDE * 9}, "scales by 8"),
    "nine times larger": ({"fit": "stretch", "bars": 0}, {"height_px": 10}, "scales by 8"),
    "narrow": ({"width_px": 64, "height_px": 64}, {}, "takes sides from 68x2"),
    "wide": ({"width_px": 2000, "fit": "stretch", "bars": 0}, {"width_px": 8190}, "to 8128x8128"),
}


@pytest.mark.parametrize(("wanted", "frame", "reason"), UNFIT.values(), ids=UNFIT)
def test_what_it_cannot_do_exactly_or_at_all_is_not_given_to_it(
    wanted: dict[str, Any], frame: dict[str, Any], reason: str
) -> None:
    spec = image_in("NV12", frame_of("random", 300, 162), "709", "limited").spec
    assert unfit_for_rga(plan_conversion(spec, contract())) == ""
    plan = plan_conversion(dataclasses.replace(spec, **frame), contract(**wanted))
    assert reason in unfit_for_rga(plan)


def test_pixels_are_not_given_to_it(rock: Rock, caplog: pytest.LogCaptureFixture) -> None:
    runner = rock.load(contract())
    assert runner.filler(plan_conversion(RgbSpec(width_px=300, height_px=162, order="BGR"), contract())) is None
    assert "RGA does not convert these frames, the CPU does: frames are BGR" in caplog.text
    runner.close()


@pytest.mark.parametrize(
    ("call", "status", "told"),
    [
        ("importbuffer_fd", 0, "importbuffer_fd: it failed (0): see the kernel's log"),
        ("importbuffer_virtualaddr", 0, "importbuffer_virtualaddr: it failed (0)"),
        ("importbuffer_virtualaddr", -6, "importbuffer_virtualaddr: the driver gives no session (-6): let the service"),
        ("imcheck_t", -1, "imcheck_t: this RGA cannot do it (-1)"),
        ("imcheck_t", -5, "imcheck_t: the library does not fit the kernel's driver (-5)"),
        ("imcheck_t", -99, "imcheck_t: it gave an unknown status (-99)"),
    ],
)
def test_where_it_cannot_begin_the_cpu_converts(
    rock: Rock, caplog: pytest.LogCaptureFixture, call: str, status: int, told: str
) -> None:
    runner, spec = rock.load(contract()), image_in("NV12", frame_of("random", 300, 162), "709", "limited").spec
    rock.rga.fail(call, status)
    assert runner.filler(plan_conversion(spec, contract())) is None
    assert f"the CPU does: {told}" in caplog.text
    rock.rga.fail("", 0)
    runner.close()


@pytest.mark.parametrize("call", ["improcess", "imconfig"])
def test_a_job_that_fails_is_told_and_the_next_one_works(rock: Rock, call: str) -> None:
    runner, frame = rock.load(contract()), image_in("NV12", frame_of("gradient", 300, 162), "709", "limited")
    plan = plan_conversion(frame.spec, contract())
    filler, lent = runner.filler(plan), runner.lend()
    assert filler is not None
    rock.rga.fail(call, -4)
    with pytest.raises(EngineError) as raised:
        filler.fill(frame, lent["images"][0])
    assert raised.value.message == f"{call}: a parameter is refused (-4)"
    assert "src unsupport width" in raised.value.details
    del raised  # its traceback holds the buffer
    rock.rga.fail("", 0)
    filler.fill(frame, lent["images"][0])
    assert np.abs(lent["images"].astype(int) - reference(plan, frame)).max() <= MOST_LEVELS
    del lent
    filler.close()
    runner.close()


def test_an_engine_that_goes_first_ends_its_imports(rock: Rock) -> None:
    runner, frame = rock.load(contract()), image_in("NV12", frame_of("gradient", 300, 162), "709", "limited")
    filler = runner.filler(plan_conversion(frame.spec, contract()))
    assert filler is not None and rock.rga.live == 5, "two buffers of each core, and a frame's planes"
    runner.close()
    assert rock.rga.live == 1
    filler.close()


def test_only_a_contract_that_allows_it_asks_for_it(rock: Rock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def plan(**more: Any) -> EnginePlan:
        return EnginePlan(runner="rknn", path="m.rknn", input=contract(**more), threads=1)

    assert rga_for(plan(sampling="linear"), ["/nowhere/librga.so"]) is None and not caplog.text
    assert rga_for(plan(), ["/nowhere/librga.so"]) is None
    assert "frames are converted by the CPU, not by RGA: librga.so cannot be loaded: /nowhere/librga.so" in caplog.text
    assert "install the board maker's package librga2" in caplog.text
    assert rga_for(plan(), [rock.rga.path]) is not None
    assert "frames are converted by RGA where it can: RGA_api version : v1.10.1_[0] RGA version" in caplog.text


def test_a_library_without_hardware_or_calls(rock: Rock, libraries: tuple[Path, Path]) -> None:
    rock.rga.tell("RGA_api version : v1.9.3_[0] RGA version : RGA_2_Enhance")
    with pytest.raises(InputError, match=r"finds no RGA3: it tells RGA_api version : v1\.9\.3"):
        rock.rga.open()
    rock.rga.tell("")
    with pytest.raises(InputError, match="it tells nothing"):
        rock.rga.open()
    with pytest.raises(InputError, match="is too old") as raised:
        open_rga([str(libraries[0])])  # another library by its name
    assert "librga2" in raised.value.hint


def test_structures_are_the_library_s() -> None:
    """Offsets as C lays `rga_buffer_t` out on a machine of 64 bits."""
    sizes = [ctypes.sizeof(one) for one in (RgaBuffer, RgaRectangle, RgaLayout)]
    assert sizes == [96, 16, 12]
    offsets = {"descriptor": 16, "format": 36, "colours": 40, "alpha": 44, "read_mode": 48, "handle": 92}
    assert {name: getattr(RgaBuffer, name).offset for name in offsets} == offsets


def test_the_fake_sees_what_is_wrong(libraries: tuple[Path, Path]) -> None:
    """A watcher that sees nothing would prove nothing."""
    fake = FakeRga(libraries[1])
    rga = fake.open()
    room = np.zeros(1 << 16, np.uint8)
    begin = -room.ctypes.data % 4096
    memory = rga.import_address(room.ctypes.data + begin, RgaLayout(stride_px=100, rows=80, format=librga.NV12))
    whole, part = memory.picture(100, 80, colours=9), RgaRectangle(0, 1, 100, 80)
    with pytest.raises(EngineError, match=r"improcess: a parameter is refused \(-4\)"):
        rga.process(RgaJob(source=whole, part=part, target=whole, place=part))
    rga.import_address(room.ctypes.data + begin + 1, RgaLayout(stride_px=16, rows=16, format=librga.RGB_888))
    memory.close()
    with pytest.raises(EngineError):
        rga.release(7)
    assert [line.partition(": ")[2] for line in fake.faults.splitlines()] == [
        "src has a stride of 100",
        "src is odd",
        "src has its part outside, or too small",
        f"{hex(room.ctypes.data + begin + 1)} begins within a page",
        "7 is not imported",
    ]
    assert fake.live == 1
    fake.reset()


def test_every_core_reads_one_buffer_while_rga_fills_the_next(rock: Rock) -> None:
    """Else frames would be the CPU's, scaled in another way, as soon as all cores are busy."""
    runner, frame = rock.load(contract()), image_in("NV12", frame_of("gradient", 300, 162), "709", "limited")
    filler = runner.filler(plan_conversion(frame.spec, contract()))
    assert filler is not None
    held = [runner.lend() for _ in range(2 * runner.slots)]
    for lent in held:
        filler.fill(frame, lent["images"][0])
    assert rock.rga.jobs == 2 * runner.slots
    del held, lent
    filler.close()
    runner.close()
