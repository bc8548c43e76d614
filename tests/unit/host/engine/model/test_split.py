"""Cutting models in two: where, what comes out of both parts together, and what cannot be cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.errors import EngineError
from edgekit.host.cache import Cache
from edgekit.host.engine.model.graph import Graph
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.model.split import NoCut, named_cut
from edgekit.host.engine.model.tail import split_model
from tests.fakes import networks, yolo

HEADS = {"/head/4/box", "/head/4/cls", "/head/8/box", "/head/8/cls"}


def frames(count: int = 3) -> np.ndarray:
    pictures = np.stack([yolo.scene(seed)[0] for seed in range(count)])
    return np.ascontiguousarray((pictures.astype(np.float32) / 255).transpose(0, 3, 1, 2))


def small_frames(size: int = 96) -> np.ndarray:
    return (networks.pictures(3, size, size).astype(np.float32) / 255).transpose(0, 3, 1, 2).copy()


def split(folder: Path, model: onnx.ModelProto, wanted, tensors: np.ndarray):
    path = networks.save(model, folder / "m.onnx")
    return split_model(path, wanted, tensors, Cache(folder / "parts"), "models.m.split")


def test_a_yolo_is_cut_behind_its_last_trained_layers(tmp_path):
    """Its distributions, a convolution with 0, 1, 2..., boxes and sigmoids are arithmetic."""
    found = split(tmp_path, yolo.detector(), "auto", frames())
    assert set(found.record.tensors) == HEADS
    for part in (found.head, found.file):
        onnx.checker.check_model(onnx.load(part), full_check=True)
    expected = answers_of(tmp_path / "m.onnx", frames())["output0"]
    again = found.complete(answers_of(found.head, frames()))
    assert list(again) == ["output0"]
    assert np.abs(again["output0"] - expected).max() <= found.record.off <= 1e-3
    assert found.record.milliseconds > 0
    assert "on this machine" in found.note


def test_the_parts_come_from_the_cache_and_again_where_they_are_gone(tmp_path):
    first = split(tmp_path, yolo.detector(), "auto", frames())
    head = first.head.read_bytes()
    before = first.head.stat().st_mtime_ns
    assert split(tmp_path, yolo.detector(), "auto", frames()).head.stat().st_mtime_ns == before
    shutil.rmtree(tmp_path / "parts")
    assert split(tmp_path, yolo.detector(), "auto", frames()).head.read_bytes() == head


def test_what_a_recipe_names_is_where_it_is_cut(tmp_path):
    found = split(tmp_path, yolo.detector(), ("/head/pixels",), frames())
    assert set(found.record.tensors) == {"/head/pixels", "/head/Sigmoid"}
    assert [node.op_type for node in onnx.load(found.file).graph.node] == ["Concat"]


def test_where_nothing_mixes_there_is_nothing_to_cut(tmp_path):
    assert split(tmp_path, networks.classifier(), "auto", small_frames(64)) is None
    assert split(tmp_path, networks.detector(), "auto", small_frames()) is None


def test_an_output_before_the_cut_stays_the_engine_s(tmp_path):
    model = networks.detector(joined=True)
    model.graph.output.append(onnx.helper.make_tensor_value_info("conv4", 1, (1, 4, 12, 12)))
    found = split(tmp_path, model, "auto", small_frames())
    expected, answers = answers_of(tmp_path / "m.onnx", small_frames()), answers_of(found.head, small_frames())
    again = found.complete(answers)
    assert list(again) == ["found", "conv4"]
    for name, want in expected.items():
        assert np.abs(again[name] - want).max() < 1e-4


def test_scales_by_a_constant_are_found_where_nothing_is_joined(tmp_path):
    """One convolution whose channels are multiplied by 96, 96, 96, 96, 1, 1."""
    net = networks.Network(3)
    last = net.convolution("images", 3, 16, stride=2)
    both = net.node("Sigmoid", [net.convolution(last, 16, 6, size=1, relu=False)], "both")
    scale = net.constant(np.array([96, 96, 96, 96, 1, 1.0]).reshape(1, 6, 1, 1), "scale")
    net.node("Mul", [both, scale], "found")
    found = split(tmp_path, net.model((1, 3, 96, 96), {"found": (1, 6, 48, 48)}), "auto", small_frames())
    assert found.record.tensors == ("conv2",)


def test_sizes_that_are_computed_become_constants_of_the_tail(tmp_path):
    """Exports compute a Reshape's size from the tensor's own: the tail must not need the picture for it."""
    net = networks.Network(3)
    last = net.convolution("images", 3, 16, stride=2)
    boxes = net.node("Mul", [net.convolution(last, 16, 4, relu=False), net.constant(np.array(96.0), "size")], "boxes")
    scores = net.node("Sigmoid", [net.convolution(last, 16, 2, relu=False)], "scores")
    net.node("Shape", ["images"], "shape")
    net.ints(np.array([0]), "zero")
    net.ints(np.array([6, -1]), "rest")
    net.node("Gather", ["shape", "zero"], "batch", axis=0)
    net.node("Concat", ["batch", "rest"], "list", axis=0)
    net.node("Concat", [boxes, scores], "cat", axis=1)
    net.node("Reshape", ["cat", "list"], "found")
    found = split(tmp_path, net.model((1, 3, 96, 96), {"found": (1, 6, 2304)}), "auto", small_frames())
    assert {value.name for value in onnx.load(found.file).graph.input} == {"conv2", "conv3"}
    expected = answers_of(tmp_path / "m.onnx", small_frames())["found"]
    assert np.abs(found.complete(answers_of(found.head, small_frames()))["found"] - expected).max() < 1e-3


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("nothing",), "there is no tensor nothing"),
        (("images",), "images is an input or a constant"),
        (("conv4.weight",), "conv4.weight is an input or a constant"),
        (("found",), "found is the model's own output"),
        (("conv3.relu", "boxes"), "nothing is computed from boxes, or it lies behind the others"),
    ],
)
def test_names_that_cut_nothing_are_told(tmp_path, names, reason):
    with pytest.raises(NoCut, match=reason):
        named_cut(Graph(networks.detector(joined=True)), names)
    with pytest.raises(EngineError, match=rf"models\.m\.split: {reason}") as raised:
        split(tmp_path, networks.detector(joined=True), names, small_frames())
    assert 'split = "auto"' in raised.value.hint


def test_a_cut_beside_the_input_is_told():
    model = networks.tiny()
    model.graph.node.append(onnx.helper.make_node("Add", ["conv1", "images"], ["sum"]))
    with pytest.raises(NoCut, match="takes images, the model's input, too"):
        named_cut(Graph(model), ("conv1",))
