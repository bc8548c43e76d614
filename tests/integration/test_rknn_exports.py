"""What exporters leave, through the real RKNN toolkit: each builds for the NPU, and answers there as on the CPU."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgekit
from edgekit.errors import EngineError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.rknn.toolkit import DEFAULT_VERSION
from edgekit.host.engine.store import EngineStore
from edgekit.host.settings import settings_from
from edgekit.host.workflow.engines import engine_bench
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Recipe
from tests.fakes import exports
from tests.fakes.benches import compile_models
from tests.fakes.exports import EXPORTS, Export, contract_of
from tests.fakes.workstations import workstation
from tests.fakes.written import PIPELINE

pytestmark = pytest.mark.integration
SETTINGS = settings_from(os.environ, Path(edgekit.__file__).parent)
TARGET = find_target("rk3588-debian12", SETTINGS)
INT8 = ("all sizes open", "torchvision", "tf2onnx", "bytes, channels last", "two pictures")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> EngineBench:
    """The user's toolkit, a store of these tests' own; where no index has the toolkit, that is said."""
    shared = engine_bench(workstation(SETTINGS), TARGET)
    try:
        shared.toolkits.open(DEFAULT_VERSION)
    except EngineError as error:
        if "cannot be fetched" not in error.message:
            raise
        pytest.skip(f"{error.message}; {error.hint}")
    return dataclasses.replace(shared, store=EngineStore(tmp_path_factory.mktemp("engines")))


def build(export: Export, folder: Path, bench: EngineBench, **more: object) -> Engine:
    (folder / "m.onnx").write_bytes(export.make().SerializeToString())
    for index in range(8):
        pixels = np.random.default_rng(index).integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_CUBIC))
    model = {"onnx": "m.onnx", "precision": "float16", "calibration": ["*.png"], "input": contract_of(export)}
    raw = {"name": "x", "version": "1.0.0", "models": {"m": {**model, **export.model, **more}}, "pipeline": PIPELINE}
    recipe = from_raw(Recipe, {**raw, "limits": {"memory_max": "100MiB"}}, "recipe")
    (engine,) = compile_models(recipe, folder, TARGET, bench)
    return engine


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", EXPORTS)
def test_each_builds_and_agrees_with_the_float_model(name: str, tmp_path: Path, bench: EngineBench) -> None:
    engine = build(EXPORTS[name], tmp_path, bench)
    agreement = [value for key, value in engine.entry.facts.items() if key.startswith("agreement.")]
    assert agreement and all(value.startswith(("cosine 1.0", "cosine 0.999")) for value in agreement), agreement
    assert not [note for note in engine.notes if "\x1b" in note or "need parameter" in note or "[" in note[:20]]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", INT8)
def test_int8_takes_the_same_forms(name: str, tmp_path: Path, bench: EngineBench) -> None:
    engine = build(EXPORTS[name], tmp_path, bench, precision="int8", tolerance={"cosine": 0.95})
    assert engine.entry.facts["precision"] == "int8"


def test_what_the_toolkit_cannot_do_is_one_sentence_with_the_node(tmp_path: Path, bench: EngineBench) -> None:
    graph = exports.Graph()
    graph.constant("regions", [[0, 0, 9, 9]])
    graph.sizes("of", 0)
    graph.node("RoiAlign", [graph.conv("x", "c", 3, 4), "regions", "of"], "y", mode="max", output_height=4)
    made = graph.model({"x": (exports.FLOAT, [1, 3, 32, 32])}, {"y": (exports.FLOAT, [1, 4, 4, 1])})
    with pytest.raises(EngineError) as raised:
        build(Export(make=lambda: made), tmp_path, bench)
    assert raised.value.message.endswith("m.onnx: operator RoiAlign with mode max is unknown to the RKNN toolkit")
    assert raised.value.hint == "use another mode of RoiAlign, or end the model before it"
    assert raised.value.details == ""
