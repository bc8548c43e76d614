"""Expresses operators by others where a toolkit does not know them or gets them wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import onnx.inliner

from edgekit.host.engine.model.onnx_model import opset_of, tensor_info
from edgekit.host.engine.model.prepare.graphs import constant_of, constant_value, free_name, set_constant
from edgekit.schema.units import counted

_LISTS = frozenset({"value_float", "value_floats", "value_int", "value_ints"})
_OWN = ("", "ai.onnx")
_EXPANDED = "Celu Gelu GroupNormalization Mish RMSNormalization"
"""What rknn-toolkit2 does not lower or does not know, and takes once it is written out. Source: measured, 2.3.2."""


def expand_operators(model: onnx.ModelProto) -> Iterator[str]:
    """Put in place of an operator what ONNX itself defines it by: the model is changed in place."""
    found = dict.fromkeys(node.op_type for node in model.graph.node if node.domain in _OWN)
    kinds = [kind for kind in found if kind in _EXPANDED.split() and _is_defined(kind, opset_of(model))]
    if not kinds:
        return
    wanted = [("", kind) for kind in kinds]
    known = onnx.shape_inference.infer_shapes(model).graph.value_info
    weights = [onnx.helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in model.graph.initializer]
    del model.graph.value_info[:]
    model.graph.value_info.extend([*known, *weights])  # definitions depend on the types of what they are given
    try:
        expanded = onnx.inliner.inline_selected_functions(model, wanted, inline_schema_functions=True)
    except RuntimeError:  # a type that cannot be known: the toolkit's own words are then about the operator itself
        return
    model.CopyFrom(expanded)
    del model.graph.value_info[:]  # what the inliner writes there does not hold for constants
    _settle_casts(model)
    yield f"{' and '.join(kinds)} written in simpler operators"


def _is_defined(kind: str, opset: int) -> bool:
    try:
        schema = onnx.defs.get_schema(kind, opset)
    except onnx.defs.SchemaError:  # that set has no such operator: `faults` says so
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)  # type: ignore[attr-defined]


def _settle_casts(model: onnx.ModelProto) -> None:
    """Definitions cast their constants to the type of what they are given, which is known here."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
    for node in model.graph.node:
        if node.op_type == "CastLike" and types.get(node.input[1]):
            kind = types[node.input[1]]
            del node.input[1], node.attribute[:]
            node.op_type = "Cast"
            node.attribute.append(onnx.helper.make_attribute("to", kind))


def plain_constants(model: onnx.ModelProto) -> Iterator[str]:
    """Turn constants that are lists of numbers into tensors: rknn-toolkit2 cannot read lists ("HasField")."""
    lists = [node for node in model.graph.node if node.op_type == "Constant" and node.attribute[0].name in _LISTS]
    for node in lists:
        value = constant_value(node)
        assert value is not None
        del node.attribute[:]
        node.attribute.append(onnx.helper.make_attribute("value", onnx.numpy_helper.from_array(value)))
    if lists:
        yield f"{counted(len(lists), 'constant')} written as tensor data"


def keep_reduced_axes(model: onnx.ModelProto) -> Iterator[str]:
    """Let a mean over height and width keep its axes, and drop them behind it.

    rknn-toolkit2 makes a GlobalAveragePool of it, which keeps them, and then finds four sizes where two are awaited.
    Source: measured, 2.3.2: "Invalid rank for input: m Got: 4 Expected: 2".
    """
    count = 0
    sizes = {value.name: tensor_info(value).shape for value in (*model.graph.value_info, *model.graph.output)}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        shape = sizes.get(node.output[0], ()) if node.output else ()
        if not _drops_plane(node, model.graph) or len(shape) != 2 or not all(shape):
            continue
        count += 1
        dropped, reduced = node.output[0], free_name(model.graph, f"{node.output[0]}_kept")
        node.output[0] = reduced
        _set_keepdims(node)
        axes = set_constant(model.graph, f"{dropped}_shape", np.array(shape, np.int64))
        nodes.append(onnx.helper.make_node("Reshape", [reduced, axes], [dropped], name=f"{reduced}_reshape"))
    if count:
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        yield f"{counted(count, 'mean')} over height and width reshaped, with the axes kept"


def _drops_plane(node: onnx.NodeProto, graph: onnx.GraphProto) -> bool:
    if node.op_type != "ReduceMean":
        return False
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    axes = attributes.get("axes")
    if axes is None and len(node.input) > 1:
        given = constant_of(graph, node.input[1])
        axes = None if given is None else given.ravel().tolist()
    return attributes.get("keepdims", 1) == 0 and axes is not None and sorted(axis % 4 for axis in axes) == [2, 3]


def _set_keepdims(node: onnx.NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.name == "keepdims":
            attribute.i = 1
