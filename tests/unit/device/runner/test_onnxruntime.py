"""ONNX Runtime behind the runner's protocol."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.device.runner import load
from edgekit.errors import InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract

RGB = ColourContract(width_px=4, height_px=2, order="RGB")


def write_model(path: Path, shape=(1, 3, 2, 4), dtype=TensorProto.FLOAT, inputs=1) -> None:
    """`largest` = the greatest element of the first input."""
    names = [f"pixels{index}" for index in range(inputs)]
    nodes = [helper.make_node("ReduceMax", [names[0]], ["largest"], keepdims=0)]
    graph = helper.make_graph(
        nodes,
        "largest",
        [helper.make_tensor_value_info(name, dtype, shape) for name in names],
        [helper.make_tensor_value_info("largest", dtype, [])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def plan(contract=RGB, runner="onnxruntime", threads=1) -> EnginePlan:
    return EnginePlan(runner=runner, path="m.onnx", input=contract, threads=threads)


@pytest.mark.parametrize("height", [2, "height"])
def test_it_answers_by_name_and_gives_the_arrays_away(tmp_path, height):
    write_model(tmp_path / "m.onnx", shape=(1, 3, height, 4))
    runner = load(plan(), tmp_path)
    first = runner.infer({"pixels0": np.full((1, 3, 2, 4), 5, np.float32)})
    second = runner.infer({"pixels0": np.full((1, 3, 2, 4), 7, np.float32)})
    assert (float(first["largest"]), float(second["largest"])) == (5, 7)
    runner.close()
    runner.close()


@pytest.mark.parametrize(
    ("made", "contract", "told"),
    [
        ({"shape": (1, 3, 4, 2)}, RGB, r"takes float32 \[1, 3, 4, 2\] as 'pixels0'.*says float32 \[1, 3, 2, 4\]"),
        ({"dtype": TensorProto.UINT8}, RGB, r"takes uint8"),
        ({"inputs": 2}, RGB, "has no one input that takes the picture, it has 2: pixels0, pixels1"),
        ({}, ColourContract(width_px=4, height_px=2, order="GRAY"), r"says float32 \[1, 1, 2, 4\]"),
        ({}, ColourContract(width_px=4, height_px=2, order="RGB", layout="NHWC"), r"\[1, 2, 4, 3\]"),
    ],
)
def test_a_model_that_does_not_fit_its_contract_is_refused(tmp_path, made, contract, told):
    write_model(tmp_path / "m.onnx", **made)
    with pytest.raises(InputError, match=told):
        load(plan(contract), tmp_path)


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"m\.onnx cannot be loaded"):
        load(plan(), tmp_path)
    with pytest.raises(InputError, match="no runner for metal"):
        load(plan(runner="metal"), tmp_path)


def test_its_pool_has_the_size_that_the_plan_says(tmp_path):
    write_model(tmp_path / "m.onnx")
    tasks = Path(f"/proc/self/task/{threading.get_native_id()}").parent
    load(plan(), tmp_path).close()
    before = set(tasks.iterdir())
    one, three = load(plan(), tmp_path), load(plan(threads=3), tmp_path)
    assert len(set(tasks.iterdir()) - before) == 2
    one.close()
    three.close()
