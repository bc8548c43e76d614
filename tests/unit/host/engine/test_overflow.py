"""float16 that overflows: the tensors, their ranges in float32, and where to cut so that the rest stays float32."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

import edgekit
from edgekit.host.cache import Cache
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.compile import split_source
from edgekit.host.engine.model.half import to_half
from edgekit.host.engine.model.onnx_model import read_onnx
from edgekit.host.engine.model.reference import answers_of, answers_of_bytes
from edgekit.host.engine.source import ModelSource, Pictures
from edgekit.host.engine.verify.cure import cure_for, find_large
from edgekit.host.settings import settings_from
from edgekit.schema.recipe import ColourContract, Model
from tests.fakes import networks

SETTINGS = settings_from({"HOME": "/nonexistent"}, Path(edgekit.__file__).parent)
CONTRACT = ColourContract(width_px=64, height_px=64, order="RGB")


def norm() -> onnx.ModelProto:
    """A convolution over its own length: squares of hundreds, added up."""
    net = networks.Network(4)
    first = net.convolution("images", 3, 8, relu=False)
    net.node("Mul", [first, first], "q")
    net.ints(np.array([1, 2, 3]), "axes")
    net.node("ReduceSum", ["q", "axes"], "s", keepdims=1)
    net.node("Div", [first, net.node("Sqrt", ["s"], "r")], "y")
    return net.model((1, 3, 64, 64), {"y": (1, 8, 64, 64)})


def source_of(folder: Path, model: onnx.ModelProto, target: str) -> ModelSource:
    path = networks.save(model, folder / "m.onnx")
    return ModelSource(
        name="m",
        path=path,
        file=path,
        model=Model(onnx="m.onnx", precision="float16", input=CONTRACT),
        onnx=read_onnx(path),
        target=find_target(target, SETTINGS),
        pictures=Pictures(contract=CONTRACT),
    )


def test_tensors_beyond_float16_are_found_with_their_ranges(tmp_path):
    path = networks.save(norm(), tmp_path / "m.onnx")
    frames = np.full((1, 3, 64, 64), 2550, np.float32)
    found = find_large(path, frames)
    assert [name for name, _, _ in found] == ["q", "s", "r"]
    assert found[0][2] > 65504
    assert not find_large(path, frames / 25500)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("rk3588-debian12", 'write split = ["conv1"]: the rest is then computed in float32 on the CPU'),
        ("jetson-orin-nano-jp62", 'write precision = "float32", or split = ["conv1"]: the rest is then computed in'),
    ],
)
def test_the_cure_is_one_that_float16_has_there(tmp_path, target, hint):
    overflow = cure_for(source_of(tmp_path, norm(), target), "float16").overflow()
    assert overflow is not None
    assert overflow.reason.startswith("float16, which ends at 65504, overflows at q (0 to ")
    assert overflow.hint.startswith(hint)
    assert cure_for(source_of(tmp_path, norm(), target), "int8").overflow() is None
    assert cure_for(source_of(tmp_path, networks.classifier(), target), "float16").overflow() is None


def test_the_cure_cures(tmp_path):
    """A head in float16 with the tail behind it gives the model's answers; the simulator is asked in integration."""
    source = source_of(tmp_path, norm(), "rk3588-debian12")
    frames = source.pictures.tensors[2:]
    expected = answers_of(source.path, frames)["y"]
    cured = split_source(
        dataclasses.replace(source, model=dataclasses.replace(source.model, split=("conv1",))),
        "rknn",
        Cache(tmp_path / "parts"),
    )
    assert cured.tail is not None
    head = answers_of_bytes(to_half(cured.path), frames, cured.path)
    found = cured.tail.complete(head)["y"]
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()
