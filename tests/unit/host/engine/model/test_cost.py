"""Whether a model costs the same on every picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.host.engine.model.cost import cost_varies
from tests.fakes import hostile_models, networks


@pytest.mark.parametrize("model", [networks.tiny(), networks.classifier(), networks.detector(joined=True)])
def test_usual_networks_cost_the_same(model: onnx.ModelProto) -> None:
    assert not cost_varies(model)


def sized_by_content(*, lie: bool) -> onnx.ModelProto:
    """As many zeros as the brightest pixel says; all its sizes are declared where it lies."""
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["brightest"], axes=[2, 3], keepdims=0),
        helper.make_node("Reshape", ["brightest", "flat"], ["one"]),
        helper.make_node("Cast", ["one"], ["size"], to=TensorProto.INT64),
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["y"], keepdims=0),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("x", [1, 1, 16, 16]), ("y", []))
    ]
    graph = helper.make_graph(nodes, "graph", *ends, [numpy_helper.from_array(np.array([1]), "flat")])
    if lie:
        graph.value_info.append(helper.make_tensor_value_info("zeros", TensorProto.FLOAT, [1]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(
    "model",
    [
        hostile_models.endless_loop(),
        hostile_models.endless_on_white(),
        sized_by_content(lie=False),
        sized_by_content(lie=True),
        networks.single("NonZero"),
    ],
)
def test_loops_and_sizes_that_content_decides_do_not(model: onnx.ModelProto) -> None:
    assert cost_varies(model)


def test_the_models_of_recipes_cost_the_same() -> None:
    files = sorted(Path(__file__).parents[5].glob("recipes/*/*.onnx"))
    assert files and not any(cost_varies(onnx.load(file)) for file in files)
