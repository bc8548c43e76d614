"""Models that are quantised already: by training for it, or by another tool."""

from __future__ import annotations

from pathlib import Path

import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.model.faults import node_name
from edgekit.schema.recipe import Model

QUANTISED = frozenset(
    {
        "ConvInteger",
        "DynamicQuantizeLinear",
        "MatMulInteger",
        "QLinearAdd",
        "QLinearConv",
        "QLinearMatMul",
        "QLinearMul",
    }
)
"""Operators that compute in int8 by themselves, which no accelerator's compiler takes: they want Q/DQ pairs."""
_PAIRS = frozenset({"QuantizeLinear", "DequantizeLinear"})


def quantised_at(model: onnx.ModelProto) -> str:
    """The first node that quantises, for messages; empty where the model is a float one."""
    for index, node in enumerate(model.graph.node):
        if node.op_type in _PAIRS or node.op_type in QUANTISED:
            return f"{node.op_type} at node {node_name(node, index)}"
    return ""


def check_precision(path: Path, name: str, proto: onnx.ModelProto, model: Model) -> None:
    """Refuse to quantise a second time: ranges over ranges lose what the first ones were trained for.

    Args:
        path: the model's file, for messages.
        name: the model's name in the recipe.
        proto: what the file holds.
        model: the recipe's.

    Raises:
        EngineError: the recipe asks for int8 of a model that is quantised.
    """
    wanted = [key for key in ("precision", "cpu_precision") if getattr(model, key) == "int8"]
    where = quantised_at(proto) if wanted else ""
    if where:
        raise EngineError(
            f'{path}: the model is quantised already ({where}): models.{name}.{wanted[0]} = "int8" cannot do it again',
            hint="give the float model that it was made from; or keep its own ranges: "
            + " and ".join(f'{key} = "{"float16" if key == "precision" else "float32"}"' for key in wanted),
        )


def unfit_pair(proto: onnx.ModelProto) -> str:
    """Why TensorRT does not take a model's own ranges; empty where it does, or where there are none.

    Source: TensorRT's developer guide, explicit quantisation: int8, symmetric, as Q/DQ pairs.
    """
    zeros = {tensor.name: tensor for tensor in proto.graph.initializer}
    for index, node in enumerate(proto.graph.node):
        if node.op_type in QUANTISED:
            return (
                f"node {node_name(node, index)}: operator {node.op_type} is quantised in a form of ONNX Runtime's own"
            )
        if node.op_type not in _PAIRS or len(node.input) < 3 or node.input[2] not in zeros:
            continue
        zero = zeros[node.input[2]]
        if zero.data_type != onnx.TensorProto.INT8 or onnx.numpy_helper.to_array(zero).any():
            return f"node {node_name(node, index)}: its range is not symmetric int8, the only one that TensorRT takes"
    return ""
