"""Plain tensors among a model's inputs, and outputs whose sizes ONNX alone cannot tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import EngineError
from edgekit.host.engine.model.onnx_model import read_onnx
from edgekit.host.engine.model.prepare.rewrite import prepare, prove_rewrite
from edgekit.host.engine.model.prepare.sizes import name_outputs
from edgekit.schema.recipe import ColourContract, Model, OtherInput
from tests.fakes import networks

CONTRACT = ColourContract(width_px=96, height_px=96, order="RGB")
BESIDE = Model(onnx="m.onnx", input=CONTRACT, other_inputs={"weight": OtherInput(shape=(1, 1, 1, 2))})


def test_a_plain_tensor_may_stand_beside_a_picture_on_a_cpu(tmp_path: Path) -> None:
    file = networks.save(networks.two_by_two(), tmp_path / "m.onnx")
    made = prepare(file, "m", BESIDE, "onnxruntime")
    assert [tensor.shape for tensor in made.onnx.inputs] == [(1, 3, 96, 96), (1, 1, 1, 2)]
    assert prove_rewrite(file, made, ()) == ""


@pytest.mark.parametrize("backend", ["rknn", "tensorrt"])
def test_accelerators_refuse_it_and_the_hint_cures(backend: str, tmp_path: Path) -> None:
    file = networks.save(networks.two_by_two(), tmp_path / "m.onnx")
    with pytest.raises(
        EngineError, match=f"plain tensor weight beside its picture, and engines of {backend}"
    ) as raised:
        prepare(file, "m", BESIDE, backend)  # type: ignore[arg-type]
    assert "give weight a value in models.m.other_inputs" in raised.value.hint
    cured = Model(onnx="m.onnx", input=CONTRACT, other_inputs={"weight": OtherInput(value=(1.0, 0.0))})
    prepare(file, "m", cured, backend)  # type: ignore[arg-type]


def test_sizes_follow_and_the_branch_of_a_constant_is_taken(tmp_path: Path) -> None:
    file = networks.save(networks.voice(), tmp_path / "m.onnx")
    inputs = {"input": OtherInput(shape=(1, 8)), "state": OtherInput(shape=(2, 1, 4), fed_by="stateN")}
    for rate, factor in ((16000, 1.0), (8000, 2.0)):
        model = Model(onnx="m.onnx", other_inputs={**inputs, "sr": OtherInput(value=rate)})
        made = prepare(file, "m", model, "onnxruntime")
        assert [(one.name, one.shape) for one in made.onnx.outputs] == [("output", (1, 1)), ("stateN", (2, 1, 4))]
        graph = onnx.load_model_from_string(made.data).graph
        assert "If" not in [node.op_type for node in graph.node]
        held = [node.attribute[0].t for node in graph.node if node.op_type == "Constant"]
        assert [numpy_helper.to_array(one).tolist() for one in held] == [factor]
        assert prove_rewrite(file, made, ()) == ""


def test_sizes_behind_operators_of_onnx_runtime_are_measured(tmp_path: Path) -> None:
    """As in models that its own dynamic quantisation has made: ONNX knows nothing of them."""
    nodes = [
        helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft"),
        helper.make_node("Gelu", ["x"], ["z"], domain="com.microsoft"),
        helper.make_node("NonZero", ["z"], ["found"]),
        helper.make_node("Cast", ["found"], ["places"], to=TensorProto.FLOAT),
        helper.make_node("Gelu", ["places"], ["open"], domain="com.microsoft"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", 3, "height", "width"))
    outputs = [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ("a", "b")),
        helper.make_tensor_value_info("open", TensorProto.FLOAT, ("a", "b")),
    ]
    graph = helper.make_graph(nodes, "g", [x], outputs)
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    file = networks.save(helper.make_model(graph, opset_imports=sets, ir_version=9), tmp_path / "m.onnx")
    made = prepare(file, "m", Model(onnx="m.onnx", input=CONTRACT), "onnxruntime")
    assert [one.shape for one in made.onnx.outputs] == [(1, 3, 96, 96), (4, 0)], "what differs stays open"


def test_what_cannot_be_measured_is_left_as_it_is() -> None:
    """An output that is no tensor, and one with another number of sizes in each run."""
    branches = [
        helper.make_graph(
            [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.zeros(shape, np.float32)))],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
        )
        for name, shape in (("two", (2, 3)), ("one", (4,)))
    ]
    nodes = [
        helper.make_node("SequenceConstruct", ["x"], ["several"]),
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["any"], to=TensorProto.BOOL),
        helper.make_node("If", ["any"], ["either"], then_branch=branches[0], else_branch=branches[1]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4))
    several = helper.make_tensor_sequence_value_info("several", TensorProto.FLOAT, None)
    either = helper.make_tensor_value_info("either", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [several, either])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    list(name_outputs(model))
    kinds = [one.type.WhichOneof("value") for one in model.graph.output]
    assert kinds == ["sequence_type", "tensor_type"]
    assert not model.graph.output[1].type.tensor_type.HasField("shape")


@pytest.mark.parametrize(("bottom", "kind"), [("e", "Softmax"), ("x", "Div")])
def test_a_softmax_in_single_operators_is_one(bottom: str, kind: str, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Exp", ["x"], ["e"]),
        helper.make_node("ReduceSum", [bottom, "axes"], ["sum"], keepdims=0),
        helper.make_node("Reshape", ["sum", "column"], ["one"]),
        helper.make_node("Expand", ["one", "size"], ["wide"]),
        helper.make_node("Div", ["e", "wide"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(np.array(value), name)
        for name, value in (("axes", [1]), ("column", [1, 1]), ("size", [1, 4]))
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    assert read_onnx(networks.save(model, tmp_path / "m.onnx")).made_by == {"y": kind}
