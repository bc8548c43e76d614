"""Models that were made to hang, or to fill the memory, of whoever reads or runs them. All are valid ONNX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE_PX = 16
_SHAPE = [1, 3, SIZE_PX, SIZE_PX]


def _model(nodes: Sequence[onnx.NodeProto], **constants: object) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, _SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, _SHAPE)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def endless_loop(power: int = 62) -> onnx.ModelProto:
    """A loop of 2^62 rounds, which adds nothing to itself."""
    return _model([_loop()], rounds=np.array(1 << power, np.int64), **_ONES)


def endless_on_white() -> onnx.ModelProto:
    """The same loop, of no round on a black picture and of 2^54 on a white one."""
    rounds = [
        helper.make_node("ReduceMax", ["x"], ["brightest"], name="brightest", keepdims=0),
        helper.make_node("Mul", ["brightest", "many"], ["product"], name="product"),
        helper.make_node("Cast", ["product"], ["rounds"], name="rounds", to=TensorProto.INT64),
    ]
    return _model([*rounds, _loop()], many=np.array(float(1 << 46), np.float32), **_ONES)


_ONES = {"true": np.array(True), "one": np.array(1, np.float32)}


def _loop() -> onnx.NodeProto:
    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, _SHAPE) for name in ("taken", "given")]
    truths = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("before", "after")]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["before"], ["after"], name="go on"),
            helper.make_node("Mul", ["taken", "one"], ["given"], name="nothing"),
        ],
        "body",
        [helper.make_tensor_value_info("round", TensorProto.INT64, []), truths[0], floats[0]],
        [truths[1], floats[1]],
    )
    return helper.make_node("Loop", ["rounds", "true", "x"], ["y"], name="forever", body=body)


def huge_constant(power: int = 58) -> onnx.ModelProto:
    """A tensor of 2^58 numbers from a few bytes."""
    return _model(
        [
            helper.make_node("ConstantOfShape", ["size"], ["filled"], name="huge"),
            helper.make_node("ReduceSum", ["filled"], ["sum"], name="sum", keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["y"], name="add"),
        ],
        size=np.array([1 << power], np.int64),
    )


def huge_copy(power: int = 34) -> onnx.ModelProto:
    """The picture, 2^34 times."""
    return _model(
        [
            helper.make_node("Expand", ["x", "size"], ["copies"], name="copies"),
            helper.make_node("ReduceMean", ["copies"], ["mean"], name="mean", axes=[0], keepdims=0),
            helper.make_node("Add", ["x", "mean"], ["y"], name="add"),
        ],
        size=np.array([1 << power, *_SHAPE], np.int64),
    )


def function_bomb(depth: int = 34) -> onnx.ModelProto:
    """Functions of which each calls the one before it twice."""
    functions = [
        helper.make_function(
            "bomb",
            f"f{level}",
            ["a"],
            ["b"],
            [
                helper.make_node(f"f{level - 1}" if level else "Identity", ["a"], ["m"], domain="bomb" * bool(level)),
                helper.make_node(f"f{level - 1}" if level else "Identity", ["m"], ["b"], domain="bomb" * bool(level)),
            ],
            [helper.make_opsetid("", 17), helper.make_opsetid("bomb", 1)],
        )
        for level in range(depth)
    ]
    made = _model([helper.make_node(f"f{depth - 1}", ["x"], ["y"], name="fuse", domain="bomb")])
    made.opset_import.add(domain="bomb", version=1)
    made.functions.extend(functions)
    return made


def many_nodes(count: int = 200_000) -> onnx.ModelProto:
    """A chain that is long, and nothing else."""
    names = ["x", *(f"t{index}" for index in range(count - 1)), "y"]
    return _model(
        [helper.make_node("Relu", [names[index]], [names[index + 1]], name=f"n{index}") for index in range(count)]
    )


def empty_messages(size_bytes: int) -> bytes:
    """Nodes of two bytes each, of which a parser makes a hundred: `graph { node {} node {} ... }`."""
    body = b"\x0a\x00" * (size_bytes // 2)
    length, rest = b"", len(body)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return b"\x08\x09" + b"\x3a" + length + bytes([rest]) + body


def plain() -> onnx.ModelProto:
    """What is left of each of these without what was made to harm."""
    return _model([helper.make_node("Relu", ["x"], ["y"], name="relu")])
