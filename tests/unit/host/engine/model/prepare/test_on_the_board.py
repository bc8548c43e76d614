"""A prepared model meets the tensors that the worker makes: the same frame gives what the user's own model answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.device.runner import load
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.release.plan import plan_worker
from edgekit.host.settings import settings_from
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import RgbImage
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Recipe
from tests.fakes.benches import bench_in, compile_models
from tests.fakes.exports import EXPORTS, WHOLE_NUMBERS, contract_of
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


@pytest.mark.parametrize("name", RUNS_AS_EXPORTED)
def test_the_runner_takes_what_the_stage_makes(name: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(EXPORTED[name].make().SerializeToString())
    recipe, target = recipe_of(name), find_target("virt-arm64", SETTINGS)
    (engine,) = compile_models(recipe, tmp_path, target, bench_in(tmp_path / "cache"))
    plan = plan_worker(recipe, target, [engine.entry], has_app=False).engines["m"]
    place = tmp_path / plan.path
    place.parent.mkdir()
    place.write_bytes(engine.file.read_bytes())
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
