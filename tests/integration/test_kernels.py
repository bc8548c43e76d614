"""The compiled conversion of frames: its C under sanitizers and as boards run it, its wheel, and what it refuses."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgekit.host.preflight import find_program
from edgekit.imaging.compiled import compiled_filler
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.kernel_plan import plan_kernel
from edgekit.imaging.portable import PortableFiller
from edgekit.schema.recipe import ColourContract, QuantisedInput
from tests.fakes.kernels import SOURCES, imported_kernels
from tests.fakes.native import compile_program
from tests.fakes.wheel_user import User
from tests.unit.imaging.exact import COLOURS, FORMATS, frame_of, image_in

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
PROGRAM = [SOURCES / "src" / "picture.c", SOURCES / "fuzz" / "fuzz.c"]
INCLUDE = f"-I{SOURCES / 'src'}"
CORES = ("cortex-a76", "cortex-a72", "cortex-a53")
"""Of boards, as far as QEMU knows them: it counts the A78AE as an A76."""
COLOURS_OF_709 = (9539, 14686, -1747, -4366, 17305, 4190, 4191, 4190)
"""See picture.h; limited range."""


def jobs_run(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_random_jobs_come_out_right_and_stay_in_their_memory(tmp_path: Path) -> None:
    options = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", INCLUDE)
    program = compile_program(PROGRAM, tmp_path / "fuzzed", *options)
    assert jobs_run([str(program), "1", "10000"]).startswith("10000 jobs")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("x / 2 * 3 + 2", "x / 2 * 3 + 1"),
        ("blend(three[1], three[2], odd)", "blend(three[0], three[2], odd)"),
        ("*next = from + how.blended", "*next = from"),
    ],
)
def test_a_fault_is_found(right: str, wrong: str, tmp_path: Path) -> None:
    """The program that looks for faults, on a kernel with one: a sample beside the right one."""
    source = PROGRAM[0].read_text()
    assert right in source
    (tmp_path / "picture.c").write_text(source.replace(right, wrong))
    program = compile_program([tmp_path / "picture.c", PROGRAM[1]], tmp_path / "fuzzed", INCLUDE)
    done = subprocess.run([str(program), "1", "1000"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1 and "differ" in done.stderr


def test_cores_of_boards_give_what_a_plain_reading_gives(tmp_path: Path) -> None:
    options = ("-O3", "-ffp-contract=off", "-fno-strict-aliasing", "-static", INCLUDE)
    program = compile_program(PROGRAM, tmp_path / "fuzzed", *options, target="aarch64-linux-musl")
    emulator = find_program("qemu-aarch64-static")
    for core in CORES:
        assert jobs_run([emulator, "-cpu", core, str(program), "1", "700"]).startswith("700 jobs"), core


def test_one_wheel_is_for_every_board_and_comes_out_the_same_again(tmp_path: Path) -> None:
    user = User(tmp_path)
    shutil.copytree(SOURCES, tmp_path / "kernels")
    [made] = user.build("./kernels", target="rk3588-debian12")
    assert Path(made["path"]).name == "edgekit_kernels-1.0.0-cp310-abi3-manylinux_2_17_aarch64.whl"
    [again] = user.build("./kernels", "--again", target="rk3588-debian12")
    assert again["sha256"] == made["sha256"] and not again["from_cache"]
    with zipfile.ZipFile(tmp_path / made["path"]) as wheel:
        assert "edgekit_kernels/_picture.abi3.so" in wheel.namelist()
    for target in ("rk3588-debian12", "jetson-orin-nx-jp62", "jetson-orin-jp72", "virt-arm64"):
        subprocess.run(
            [*user.argv()[:3], "wheel", "check", made["path"], "--target", target],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=300,
        )


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    with imported_kernels(tmp_path_factory.mktemp("kernels")) as module:
        yield module


def taps(count: int, step: int = 1) -> np.ndarray:
    return np.stack([np.arange(count) * step, np.arange(count) * step, np.zeros(count)], axis=1).astype(np.int32)


def plan(kernels: ModuleType, **changes: Any) -> Any:
    whole = kernels.PicturePlan(
        y_columns=taps(8, 2),
        y_rows=taps(4, 2),
        c_columns=taps(8),
        c_rows=taps(4),
        colours=COLOURS_OF_709,
        channels=(0, 1, 2),
        scales=(1 / 255,) * 3,
        offsets=(0.0,) * 3,
        source_size=(16, 8),
        chroma_size=(8, 4),
    )
    return dataclasses.replace(whole, **changes)


def planes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full((8, 16), 235, np.uint8), np.full((4, 8), 128, np.uint8), np.full((4, 8), 128, np.uint8)


def test_the_numbers_of_bt709_are_those_of_the_standard() -> None:
    spec = image_in("I420", frame_of("random", 64, 48), "709", "limited").spec
    planned = plan_kernel(plan_conversion(spec, ColourContract(width_px=32, height_px=32, order="RGB")))
    assert planned is not None and planned.colours == COLOURS_OF_709


def test_white_is_one(kernels: ModuleType) -> None:
    out = np.zeros((3, 4, 8), np.float32)
    kernels.PictureKernel(plan(kernels))(*planes(), out)
    np.testing.assert_allclose(out, 1.0, atol=1e-6)


BAD: dict[str, dict[str, Any]] = {
    "a column outside": {"y_columns": taps(9, 2)},
    "a row outside": {"c_rows": taps(5)},
    "a negative sample": {"y_rows": taps(4) - 1},
    "a weight of more than one": {"c_columns": taps(8) + np.array([0, 0, 300], np.int32)},
    "no columns": {"y_columns": taps(0), "c_columns": taps(0)},
    "luma and chroma of other sizes": {"c_columns": taps(7)},
    "no matrix of colours": {"colours": COLOURS_OF_709[:7]},
    "a matrix that leaves 16 bits": {"colours": [4 * one for one in COLOURS_OF_709]},
    "a channel that is none": {"channels": (0, 1, 3)},
    "a channel twice": {"channels": (0, 0, 1)},
    "a side of no picture": {"source_size": (1 << 20, 8)},
    "tables of another shape": {"tables": np.zeros((3, 255), np.uint8)},
    "tables of four bytes": {"tables": np.zeros((3, 256), np.float32)},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_plan_that_would_read_outside_is_refused(kernels: ModuleType, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a table|sampled|matrix|channels|sides|tables"):
        kernels.PictureKernel(plan(kernels, **changes))


def test_arrays_that_are_not_as_planned_are_refused(kernels: ModuleType) -> None:
    kernel, (y, u, v) = kernels.PictureKernel(plan(kernels)), planes()
    good = np.zeros((3, 4, 8), np.float32)
    read_only = good.copy()
    read_only.flags.writeable = False
    for arrays in (
        (y[:, :15], u, v, good),
        (y, u[:3], v, good),
        (y, u, v.astype(np.int8), good),
        (y, u, v, good[:2]),
        (y, u, v, good.astype(np.float64)),
        (y, u, v, read_only),
    ):
        with pytest.raises(ValueError, match=r"the plan says|read-only"):
            kernel(*arrays)
    kernel(y, u, v, good)


SHAPES = {
    "3:1": (640, 640, "letterbox"),
    "2:1": (960, 960, "letterbox"),
    "1:1": (1920, 1088, "letterbox"),
    "1.9:1": (1000, 600, "stretch"),
    "larger": (2000, 1200, "letterbox"),
    "4:1": (480, 270, "stretch"),
    "3:2": (1280, 720, "stretch"),
}
CONTRACTS: dict[str, dict[str, Any]] = {
    "float32": {"scale": 1 / 255},
    "mean of each channel": {"order": "BGR", "mean": (103.5, 116.3, 123.7), "scale": (0.017, 0.0175, 0.0171)},
    "uint8": {"dtype": "uint8"},
    "uint8, interleaved": {"dtype": "uint8", "layout": "NHWC", "bars": 114},
    "int8": {"dtype": "int8", "scale": 1 / 255, "quantised": QuantisedInput(scale=0.0039, zero_point=-128)},
    "grey": {"order": "GRAY", "scale": 1 / 255},
    "float32, interleaved": {"layout": "NHWC", "scale": 1 / 255, "order": "BGR"},
}


def worst(plan: Any, frame: Any) -> float:
    """Largest difference between kernel and reference, in levels."""
    made, wanted = (np.full(plan.contract.tensor_shape, 77, plan.contract.dtype) for _ in range(2))
    filler = compiled_filler(plan)
    assert filler is not None
    filler.fill(frame, made[0])
    PortableFiller(plan).fill(frame, wanted[0])
    off = np.abs(made.astype(np.float64) - wanted.astype(np.float64))[0]
    if plan.contract.layout == "NHWC":
        off = off.transpose(2, 0, 1)
    if plan.contract.dtype == "int8":  # two roundings behind each other
        off = np.maximum(off - 1, 0)
    return max(float(channel.max()) / gain for channel, gain in zip(off, plan.gains, strict=True))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("contract", CONTRACTS)
def test_it_gives_the_portable_picture(kernels: ModuleType, shape: str, contract: str) -> None:
    width, height, fit = SHAPES[shape]
    options = {"order": "RGB", **CONTRACTS[contract]}
    for format_, (matrix, range_) in zip(FORMATS, COLOURS, strict=False):
        frame = image_in(format_, frame_of("random", 1920, 1080, seed=len(format_)), matrix, range_)
        plan = plan_conversion(frame.spec, ColourContract(width_px=width, height_px=height, fit=fit, **options))
        assert worst(plan, frame) <= 1.01, (format_, matrix, range_)


def test_an_odd_size_is_no_trouble(kernels: ModuleType) -> None:
    frame = image_in("I420", frame_of("random", 321, 243), "601", "full")
    for width, height in ((107, 81), (160, 121), (321, 243)):
        contract = ColourContract(width_px=width, height_px=height, fit="stretch", order="RGB", dtype="uint8")
        assert worst(plan_conversion(frame.spec, contract), frame) <= 1


def test_without_it_frames_are_converted_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edgekit_kernels.picture", None)  # as where the package is not installed
    frame = image_in("NV12", frame_of("random", 64, 48), "709", "limited")
    plan = plan_conversion(frame.spec, ColourContract(width_px=32, height_px=32, order="RGB"))
    assert compiled_filler(plan) is None
    assert Converter(plan).tensor(frame).shape == (1, 3, 32, 32)
