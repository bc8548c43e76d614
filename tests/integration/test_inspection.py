"""Models that were made to harm are refused by name, within limits, whatever they are built for; no build is held."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

import edgekit
from edgekit.errors import EngineError
from edgekit.executor.limits import RunLimits
from edgekit.executor.local import LocalExecutor
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.bench import INSPECTION, EngineBench
from edgekit.host.engine.compile import plan_engines
from edgekit.host.engine.inspection.asking import inspect_file
from edgekit.host.settings import settings_from
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Recipe
from tests.fakes import hostile_models as hostile
from tests.fakes.benches import bench_in
from tests.fakes.written import PIPELINE

pytestmark = pytest.mark.integration
SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
TARGETS = ("virt-arm64", "rk3588-debian12", "jetson-orin-nano-jp62")
SHORT = dataclasses.replace(INSPECTION, memory_bytes=2 << 30, cpu_s=30)


def recipe(**model: object) -> Recipe:
    picture = {"width_px": hostile.SIZE_PX, "height_px": hostile.SIZE_PX, "order": "RGB"}
    models = {"m": {"onnx": "m.onnx", "precision": "float16", "input": picture, **model}}
    raw = {"name": "x", "version": "1.0.0", "models": models, "pipeline": PIPELINE}
    return from_raw(Recipe, {**raw, "limits": {"memory_max": "100MiB"}}, "recipe")


def bench(folder: Path, limits: RunLimits = SHORT) -> EngineBench:
    return dataclasses.replace(bench_in(folder / "cache", LocalExecutor()), limits=limits)


def refusal(model: bytes, folder: Path, target: str, limits: RunLimits = SHORT) -> EngineError:
    (folder / "m.onnx").write_bytes(model)
    with pytest.raises(EngineError) as raised:
        plan_engines(recipe(), folder, find_target(target, SETTINGS), bench(folder, limits))
    assert str(folder / "m.onnx") in raised.value.message and "\n" not in raised.value.message
    return raised.value


@pytest.mark.parametrize("target", TARGETS)
def test_a_function_bomb(target: str, tmp_path: Path) -> None:
    error = refusal(hostile.function_bomb().SerializeToString(), tmp_path, target)
    assert "more than 200000 nodes once its functions are in place" in error.message


def test_a_loop_without_end_on_a_cpu(tmp_path: Path) -> None:
    short = dataclasses.replace(SHORT, cpu_s=2)
    error = refusal(hostile.endless_loop().SerializeToString(), tmp_path, "virt-arm64", short)
    assert error.message == f"running {tmp_path}/m.onnx on one picture takes more than 2 s of processor time"
    assert error.hint == "end the model before node forever, a loop"
    assert not list((tmp_path / "cache/models").glob("[!.]*")), "what was refused is not remembered as inspected"


@pytest.mark.parametrize("pictures", [("black.png", "white.png"), ()])
def test_a_loop_that_has_no_end_on_another_picture(pictures: tuple[str, ...], tmp_path: Path) -> None:
    """What quantises runs the model on all of them, and is this very process."""
    for name in pictures:
        cv2.imwrite(str(tmp_path / name), np.full((hostile.SIZE_PX, hostile.SIZE_PX, 3), 255 * ("white" in name)))
    onnx.save(hostile.endless_on_white(), tmp_path / "m.onnx")
    short = dataclasses.replace(SHORT, cpu_s=3)
    asked = recipe(cpu_precision="int8", calibration=list(pictures))
    with pytest.raises(EngineError) as raised:
        plan_engines(asked, tmp_path, find_target("virt-arm64", SETTINGS), bench(tmp_path, short))
    assert f"running {tmp_path}/m.onnx on " in raised.value.message
    assert "s of processor time" in raised.value.message
    assert raised.value.message.count("white.png") == len(pictures[1:])
    assert raised.value.hint == "end the model before node forever, a loop"


@pytest.mark.parametrize("target", TARGETS[1:])
def test_a_loop_is_refused_by_accelerators_before_it_runs(target: str, tmp_path: Path) -> None:
    error = refusal(hostile.endless_loop().SerializeToString(), tmp_path, target)
    assert "node forever: operator Loop makes outputs of no fixed size" in error.message


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("make", "node"), [(hostile.huge_constant, "huge"), (hostile.huge_copy, "copies")])
def test_a_tensor_beyond_all_memory(make: object, node: str, target: str, tmp_path: Path) -> None:
    error = refusal(make().SerializeToString(), tmp_path, target)  # type: ignore[operator]
    assert f"m.onnx cannot be run: node {node} (" in error.message and "Failed to allocate" in error.message
    assert error.hint == "end the model before that node, or export it for smaller pictures"


def test_a_parser_s_bomb(tmp_path: Path) -> None:
    few = dataclasses.replace(SHORT, memory_bytes=1 << 30)
    error = refusal(hostile.empty_messages(64 << 20), tmp_path, "virt-arm64", few)
    assert f"preparing {tmp_path}/m.onnx" in error.message and "of memory" in error.message


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_left_without_the_harm_is_taken(target: str, tmp_path: Path) -> None:
    onnx.save(hostile.plain(), tmp_path / "m.onnx")
    (planned,) = plan_engines(recipe(), tmp_path, find_target(target, SETTINGS), bench(tmp_path))
    assert planned.source.onnx.sha256


def test_a_file_is_shown_within_limits_too(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(hostile.empty_messages(64 << 20))
    few = dataclasses.replace(SHORT, memory_bytes=1 << 30)
    with pytest.raises(EngineError, match=r"reading .*m\.onnx .*of memory"):
        inspect_file(tmp_path / "m.onnx", LocalExecutor(), few)
    onnx.save(hostile.function_bomb(), tmp_path / "m.onnx")
    found = inspect_file(tmp_path / "m.onnx", LocalExecutor(), INSPECTION)
    assert "more than 200000 nodes" in found.fault
