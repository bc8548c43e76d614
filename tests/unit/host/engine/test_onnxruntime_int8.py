"""int8 engines for the CPU: agreement, the cache, what is refused, and where an error starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest

import edgekit
from edgekit.errors import EngineError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.compile import find_pictures
from edgekit.host.engine.model.quantise import quantise
from edgekit.host.engine.model.reference import answers_of, answers_of_bytes
from edgekit.host.engine.source import Pictures
from edgekit.host.engine.verify.agreement import compare
from edgekit.host.engine.verify.layers import compare_layers
from edgekit.host.settings import settings_from
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Quantisation, Recipe
from tests.fakes import networks
from tests.fakes.benches import bench_in, compile_models
from tests.fakes.written import PIPELINE

TARGET = find_target("virt-arm64", settings_from({}, Path(edgekit.__file__).parent))
SIZES = {"classifier": 64, "detector": 96}


class Shop:
    """A recipe with one network, calibration pictures and a bench."""

    def __init__(self, folder: Path, network: str, **model: Any) -> None:
        self.folder, size = folder, SIZES[network]
        networks.save(getattr(networks, network)(**model.pop("made", {})), folder / "m.onnx")
        for index, picture in enumerate(networks.pictures(12, size, size)):
            cv2.imwrite(str(folder / f"c{index:02}.png"), picture)
        contract = {"width_px": size, "height_px": size, "order": "RGB", "scale": 1 / 255}
        raw = {"onnx": "m.onnx", "cpu_precision": "int8", "calibration": ["c*.png"], "input": contract, **model}
        made = {"name": "x", "version": "1.0.0", "models": {"m": raw}, "pipeline": PIPELINE}
        self.recipe = from_raw(Recipe, {**made, "limits": {"memory_max": "100MiB"}}, "recipe")
        self.bench = bench_in(folder)

    def compile(self) -> Any:
        (engine,) = compile_models(self.recipe, self.folder, TARGET, self.bench)
        return engine


@pytest.mark.parametrize("network", SIZES)
@pytest.mark.parametrize("method", ["normal", "kl_divergence", "mmse"])
def test_int8_agrees_and_comes_from_the_cache(network: str, method: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, network, quantisation={"method": method})
    layers = [node for node in onnx.load(tmp_path / "m.onnx").graph.node if node.op_type != "Flatten"]
    assert 5 <= len(layers) <= 20
    made, again = shop.compile(), shop.compile()
    assert (made.from_cache, again.from_cache) == (False, True)
    assert made.file.read_bytes() == again.file.read_bytes()
    facts = made.entry.facts
    assert facts["precision"] == "int8"
    assert facts["calibration"].startswith("12 pictures, sha256 ")
    for one in shop.bench.store.list()[0].record.agreement:
        assert one.cosine_min > 0.999
    kinds = {node.op_type for node in onnx.load(made.file).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds


def test_what_agrees_too_little_is_refused_and_its_layers_named(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "detector", tolerance={"cosine": 0.9999999})
    with pytest.raises(
        EngineError, match=r"models.m: output boxes has cosine 0.99\d+.*the error starts at \w+"
    ) as raised:
        shop.compile()
    assert "keep_float" in raised.value.hint
    assert "alone    layer" in raised.value.details


def test_an_output_of_boxes_and_scores_is_refused_unless_it_stays_float(tmp_path: Path) -> None:
    joined = {"joined": True}
    with pytest.raises(EngineError, match="output found mixes ranges") as raised:
        Shop(tmp_path, "detector", made=joined).compile()
    assert 'split = "auto"' in raised.value.hint
    assert 'keep_float = ["found"]' in raised.value.hint
    for cure in ({"split": "auto"}, {"quantisation": {"keep_float": ["found"]}}, {"split": ["boxes", "scores"]}):
        engine = Shop(tmp_path, "detector", made=joined, **cure).compile()
        assert bool(engine.entry.tail) == ("split" in cure)
        answers, expected = np.load(engine.answers), np.load(engine.expected)
        want, got = (array["output:found"][:, 0, 4:] for array in (expected, answers))
        assert want.max() > 0.8
        assert np.abs(want - got).max() < 0.05


def test_int8_needs_pictures(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match='cpu_precision = "int8" needs pictures'):
        Shop(tmp_path, "detector", calibration=[]).compile()


def test_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    model = networks.save(networks.tiny(), tmp_path / "m.onnx")
    script = (
        "import sys, hashlib, numpy as np; from pathlib import Path;"
        " from edgekit.host.engine.model.quantise import quantise; from edgekit.schema.recipe import Quantisation;"
        " frames = np.linspace(0, 1, 4 * 3 * 256, dtype=np.float32).reshape(4, 3, 16, 16);"
        " print([hashlib.sha256(quantise(Path(sys.argv[1]), frames, Quantisation(), style).model).hexdigest()"
        " for style in ('cpu', 'tensorrt')])"
    )
    said = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(model)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(edgekit.__file__).parents[1])},
        )
        said.add(done.stdout)
        assert not done.stderr
    assert len(said) == 1


def test_what_tensorrt_takes_is_symmetric_and_leaves_biases_alone(tmp_path: Path) -> None:
    model = networks.save(networks.classifier(), tmp_path / "m.onnx")
    frames = (networks.pictures(6, 64, 64).astype(np.float32) / 255).transpose(0, 3, 1, 2)
    graph = onnx.load_model_from_string(quantise(model, frames, Quantisation(), "tensorrt").model).graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = weights[node.input[2]]
            assert zero.dtype == np.int8
            assert not zero.any()


def test_layers_are_compared_in_order(tmp_path: Path) -> None:
    model = networks.save(networks.detector(), tmp_path / "m.onnx")
    frames = (networks.pictures(6, 96, 96).astype(np.float32) / 255).transpose(0, 3, 1, 2)
    (tmp_path / "q.onnx").write_bytes(quantise(model, frames, Quantisation(), "cpu").model)
    found = compare_layers(model, tmp_path / "q.onnx", frames[:1])
    assert [layer.name for layer in found][-1] == "scores"
    assert all(0.99 < layer.cosine <= 1.000001 for layer in found)


def test_an_operator_that_onnx_runtime_has_not_is_refused_here(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "classifier", cpu_precision="float32")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.node[1].domain = "com.acme"
    model.opset_import.add(domain="com.acme", version=1)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(EngineError, match=rf"ONNX Runtime {ort.__version__} cannot run it.*com.acme"):
        shop.compile()


def test_the_sorting_line_s_peaks_live_in_int8_on_every_runtime(tmp_path: Path) -> None:
    """Percentiles of all values cut off the few that are parts: its heat map was off by 0.59."""
    folder = read_recipe(Path(edgekit.__file__).parents[1] / "recipes/sorting-line")
    model = folder.recipe.models["parts"]
    pictures = Pictures(calibration=find_pictures(folder.folder, "parts", model), contract=model.input)
    path = folder.folder / model.onnx
    for style in ("cpu", "tensorrt"):
        made = quantise(path, pictures.tensors, model.quantisation, style)
        agreement = compare(answers_of(path, pictures.tensors), answers_of_bytes(made.model, pictures.tensors, path))
        assert min(one.cosine_min for one in agreement) > 0.99
