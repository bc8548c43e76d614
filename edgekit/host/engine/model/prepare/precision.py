"""Makes a model compute in float32 throughout: what the recipe's `precision` starts from on every target.

Exports have double constants (numpy's default) and some are float16 as a whole; the NPU's compiler takes neither, the
GPU's only half of it, and a graph that mixes them is no valid ONNX.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.host.engine.model.graph import constants_of
from edgekit.host.engine.model.prepare.graphs import drop_identities

_OTHERS: dict[int, str] = {
    int(onnx.TensorProto.DOUBLE): "double",
    int(onnx.TensorProto.FLOAT16): "float16",
    int(onnx.TensorProto.BFLOAT16): "bfloat16",
}
_FLOAT = onnx.TensorProto.FLOAT
_TYPE_ATTRIBUTES = frozenset({"to", "dtype"})
"""Attributes that hold a type: of Cast, EyeLike, RandomNormal and their like."""


def to_single(model: onnx.ModelProto) -> Iterator[str]:
    """Turn every other floating type into float32: constants, inputs, outputs, casts. Large values become infinite.

    Yields:
        What was changed, for people.
    """
    found = dict.fromkeys(name for tensor in constants_of(model) if (name := _convert(tensor)))
    found |= dict.fromkeys(_graph(model.graph))
    if found:
        _drop_casts(model)
        yield f"computed in float32 where the export has {' and '.join(sorted(found))}"


def _drop_casts(model: onnx.ModelProto) -> None:
    """Casts between what were two types are between one: TensorRT's optimiser fails on such."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, ValueError):
        return
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
    for node in model.graph.node:
        if node.op_type == "Cast" and types.get(node.input[0]) == _FLOAT == node.attribute[0].i:
            node.op_type = "Identity"
            del node.attribute[:]
    drop_identities(model.graph)


def _convert(tensor: onnx.TensorProto) -> str:
    name = _OTHERS.get(tensor.data_type, "")
    if name:
        with np.errstate(over="ignore"):
            single = np.asarray(numpy_helper.to_array(tensor)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(single, tensor.name))
    return name


def _graph(graph: onnx.GraphProto) -> Iterator[str]:
    for value in (*graph.input, *graph.output, *graph.value_info):
        if name := _OTHERS.get(value.type.tensor_type.elem_type, ""):
            value.type.tensor_type.elem_type = _FLOAT
            yield name
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in _TYPE_ATTRIBUTES and (name := _OTHERS.get(attribute.i, "")):
                attribute.i = _FLOAT
                yield name
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graph(inner)
