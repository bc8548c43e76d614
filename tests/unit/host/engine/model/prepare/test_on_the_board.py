"""A prepared model meets the tensors that the worker makes: the same frame gives what the user's own model answers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import edgekit
from edgekit.device.runner import load
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.model.prepare.rewrite import prepare, prove_rewrite
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.release.plan import plan_worker
from edgekit.host.settings import settings_from
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import RgbImage
from edgekit.schema.plan import EnginePlan
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Model, Recipe
from tests.fakes.benches import bench_in, compile_models
from tests.fakes.exports import EXPORTS, WHOLE_NUMBERS, Export, contract_of, open_sizes
from tests.fakes.written import PIPELINE

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
RUNS_AS_EXPORTED = (
    "open batch by name",
    "open batch as -1",
    "all sizes open",
    "torchvision",
    "ultralytics",
    "tf2onnx",
    "bytes",
    "bytes, channels last",
    "doubles",
    "function",
    "branch",
    "int8",
)


EXPORTED = {**EXPORTS, "int8": WHOLE_NUMBERS}


def recipe_of(name: str) -> Recipe:
    export = EXPORTED[name]
    model = {"onnx": "m.onnx", **export.model, "input": contract_of(export)}
    raw = {"name": "x", "version": "1.0.0", "models": {"m": model}, "pipeline": PIPELINE}
    return from_raw(Recipe, {**raw, "limits": {"memory_max": "100MiB"}}, "recipe")


def built(recipe: Recipe, folder: Path) -> EnginePlan:
    """The engine's plan; its file lies where that says."""
    target = find_target("virt-arm64", SETTINGS)
    (engine,) = compile_models(recipe, folder, target, bench_in(folder / "cache"))
    plan = plan_worker(recipe, target, [engine.entry], has_app=False).engines["m"]
    place = folder / plan.path
    place.parent.mkdir()
    place.write_bytes(engine.file.read_bytes())
    return plan


@pytest.mark.parametrize("name", RUNS_AS_EXPORTED)
def test_the_runner_takes_what_the_stage_makes(name: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(EXPORTED[name].make().SerializeToString())
    plan = built(recipe_of(name), tmp_path)
    contract = plan.input
    size = (contract.height_px, contract.width_px, 3)
    frame = RgbImage(pixels=np.random.default_rng(5).integers(0, 256, size, np.uint8), order="RGB")
    converter = Converter(plan_conversion(frame.spec, contract))
    tensor = converter.tensor(frame)
    runner = load(plan, tmp_path)
    found = runner.infer({runner.picture: tensor})
    expected = answers_of(tmp_path / "m.onnx", tensor)
    assert found.keys() == expected.keys()
    for output, want in expected.items():
        np.testing.assert_allclose(found[output], want[0], rtol=1e-4, atol=1e-5)


EIGHT = Export(make=lambda: open_sizes(8, 32))
"""Exported for a batch of eight."""


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("name", ["open batch by name", "torchvision", "eight"])
def test_an_engine_takes_as_many_pictures_at_once_as_the_contract_says(
    name: str, precision: str, tmp_path: Path
) -> None:
    export = {**EXPORTED, "eight": EIGHT}[name]
    pictures = np.random.default_rng(5).integers(0, 256, (3, 32, 32, 3), np.uint8)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture[..., ::-1])
    (tmp_path / "m.onnx").write_bytes(export.make().SerializeToString())
    model = {"onnx": "m.onnx", "input": {**contract_of(export), "batch": 3}, "calibration": ["*.png"]}
    raw = {"name": "x", "version": "1.0.0", "models": {"m": {**model, "cpu_precision": precision}}}
    recipe = from_raw(Recipe, {**raw, "pipeline": PIPELINE, "limits": {"memory_max": "100MiB"}}, "recipe")
    plan = built(recipe, tmp_path)
    runner = load(plan, tmp_path)
    inputs = runner.lend()
    tensor = inputs[runner.picture]
    assert tensor.shape == plan.input.tensor_shape == (3, 3, 32, 32)
    frames = [RgbImage(pixels=picture, order="RGB") for picture in pictures]
    converter = Converter(plan_conversion(frames[0].spec, plan.input))
    for place, frame in enumerate(frames):
        converter.fill(frame, tensor[place : place + 1])
    ((_, found),) = runner.infer(inputs).items()
    one = answers_of(tmp_path / "m.onnx", np.concatenate([converter.tensor(frame) for frame in frames]))
    ((_, wanted),) = one.items()
    assert len(found) == 3 and len(np.unique(found.reshape(3, -1), axis=0)) == 3
    off = np.abs(found - wanted[:, 0]).max()
    assert off <= (1e-4 if precision == "float32" else 0.1 * np.abs(wanted).max())


def test_the_npu_takes_one_picture_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(open_sizes("n", 32).SerializeToString())
    export = Export(make=EIGHT.make, input={"batch": 3})
    model = from_raw(Model, {"onnx": "m.onnx", "input": contract_of(export)}, "recipe")
    made = prepare(tmp_path / "m.onnx", "m", model, "rknn")
    assert made.onnx.inputs[0].shape == (1, 3, 32, 32) == made.model.input.tensor_shape
    assert prove_rewrite(tmp_path / "m.onnx", made, ()) == ""
