"""Broken models: one clear sentence each, whatever they are for, and no toolkit or device is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit
from edgekit.errors import EngineError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.model.faults import find_faults
from edgekit.host.settings import settings_from
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Recipe
from tests.fakes import networks
from tests.fakes.benches import bench_in, compile_models
from tests.fakes.broken_models import BROKEN
from tests.fakes.written import PIPELINE

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
TOLD = {
    "truncated": "no ONNX model: another kind of file, or cut short",
    "garbage": "no ONNX model: another kind of file, or cut short",
    "empty": "is empty",
    "a picture": "no ONNX model: another kind of file, or cut short",
    "unknown operator": "node out: there is no operator Frobnicate",
    "foreign domain": "node out: operator Thing is of domain com.acme",
    "size by content": "NonZero",
    "no weight": "node conv1 takes conv1.weight, which nothing makes",
    "unsorted": "node conv2 takes conv1.relu, which only node conv1.relu behind it makes",
    "cycle": "node conv1 takes conv2, which only node conv2 behind it makes",
    "made twice": "node conv1 makes conv1, which is there already",
    "opset of tomorrow": "opset 99 is newer",
    "text for input": "the type differs: pictures come as float32, uint8 or int8, not as string",
    "sizes that do not meet": "node logits (Gemm): sizes do not meet: 63 and 64",
    "two inputs": "has 2 inputs: images float32[1, 3, 16, 16], more",
    "attribute of another type": "node conv1: type field and data field mismatch",
    "output that nothing makes": "output nothing is made by no node",
    "weights elsewhere": "keeps its weights in weights.bin, which is not there",
}
LARGE = {"sizes that do not meet"}


def recipe(size_px: int) -> Recipe:
    model = {
        "onnx": "m.onnx",
        "precision": "float16",
        "input": {"width_px": size_px, "height_px": size_px, "order": "RGB"},
    }
    raw = {"name": "x", "version": "1.0.0", "models": {"m": model}, "pipeline": PIPELINE}
    return from_raw(Recipe, {**raw, "limits": {"memory_max": "100MiB"}}, "recipe")


@pytest.mark.parametrize("target", ["virt-arm64", "rk3588-debian12", "jetson-orin-nano-jp62"])
@pytest.mark.parametrize("name", BROKEN)
def test_each_is_told_in_a_sentence(name: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(BROKEN[name])
    with pytest.raises(EngineError) as raised:
        compile_models(recipe(64 if name in LARGE else 16), tmp_path, find_target(target, SETTINGS), bench_in(tmp_path))
    error = raised.value
    assert TOLD[name] in error.message
    assert str(tmp_path / "m.onnx") in error.message
    assert "\n" not in error.message
    assert error.hint
    assert error.exit_code == 5


def test_sentences_differ() -> None:
    assert len(set(TOLD.values())) >= 15


@pytest.mark.parametrize("model", [networks.classifier(), networks.detector(), networks.tiny()])
def test_sound_models_have_no_fault(model: object) -> None:
    assert find_faults(model) == ()  # type: ignore[arg-type]
