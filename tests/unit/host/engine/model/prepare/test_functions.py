"""A small file that grows without end is refused before anything expands it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from edgekit.errors import EngineError
from edgekit.host.engine.model.onnx_model import load_onnx, read_onnx
from tests.fakes.exports import FLOAT, Graph, with_function

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]


def function(name: str, calls: list[str]) -> onnx.FunctionProto:
    """Calls others one after the other."""
    names = ["v", *(f"v{index}" for index in range(len(calls)))]
    body = [
        helper.make_node(call, [names[index]], [names[index + 1]], domain="own" if call[0] == "f" else "")
        for index, call in enumerate(calls)
    ]
    return helper.make_function("own", name, ["v"], [names[-1]], body, OPSETS)


def model(*functions: onnx.FunctionProto, call: str = "f0") -> bytes:
    graph = Graph()
    graph.nodes.append(helper.make_node(call, ["x"], ["y"], domain="own", name="/y"))
    size = {"x": (FLOAT, [1, 3, 4, 4])}, {"y": (FLOAT, [1, 3, 4, 4])}
    return graph.model(*size, functions=functions, domains=("own",)).SerializeToString()


def doubling(depth: int) -> bytes:
    """Each function calls the next twice."""
    last = function(f"f{depth}", ["Relu"])
    return model(*(function(f"f{index}", [f"f{index + 1}"] * 2) for index in range(depth)), last)


def test_functions_that_double_thirty_times_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(doubling(34))
    with pytest.raises(EngineError, match="more than 200000 nodes once its functions are in place"):
        load_onnx(tmp_path / "m.onnx")


def test_one_that_hides_in_a_branch_is_found(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("f0", ["x"], ["z"], domain="own")], "b", [], [helper.make_tensor_value_info("z", FLOAT, None)]
    )
    made = onnx.load_model_from_string(doubling(34))
    made.graph.node[0].CopyFrom(helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner))
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(EngineError, match="more than 200000 nodes"):
        load_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize("calls", [["f0"], ["f1"]])
def test_functions_that_call_themselves_are_refused(calls: list[str], tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model(function("f0", calls), function("f1", ["f0"])))
    with pytest.raises(EngineError, match="calls itself"):
        load_onnx(tmp_path / "m.onnx")


def test_a_chain_is_no_bomb(tmp_path: Path) -> None:
    chain = [function(f"f{index}", [f"f{index + 1}"]) for index in range(2000)]
    (tmp_path / "m.onnx").write_bytes(model(*chain, function("f2000", ["Relu"])))
    assert load_onnx(tmp_path / "m.onnx")[0].functions


def test_functions_as_exporters_write_them_are_sound(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(with_function().SerializeToString())
    assert read_onnx(tmp_path / "m.onnx").outputs[0].shape == (1, 4, 16, 16)
