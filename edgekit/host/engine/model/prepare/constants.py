"""Computes at once what does not depend on the picture (sizes, shapes, grids), and takes the branch an `If` chooses.

Exports with open sizes are full of it, and neither the NPU's nor the GPU's compiler has a place for such nodes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from edgekit.host.engine.model.onnx_model import opset_of, tensor_info
from edgekit.host.engine.model.prepare.graphs import Array, constant_value, drop_unused

_MAX_ELEMENTS = 1 << 20
"""Of one constant: the anchors of the largest detector are 100,000 numbers."""
_MAX_ALL = 1 << 25
"""Of all constants of a model together."""
_FOLDED = """
    Add And Cast Ceil Concat ConstantOfShape Div Equal Expand Flatten Floor Gather GatherElements GatherND Greater
    GreaterOrEqual Identity Less LessOrEqual Max Min Mod Mul Neg Not Or Pow Range ReduceMax ReduceMin ReduceProd
    ReduceSum Reshape Round Shape Size Slice Split Sqrt Squeeze Sub Tile Transpose Trilu Unsqueeze Where Xor
"""
"""Pure, cheap, and without a weight in them: nothing that an engine computes is taken from it."""
_ROUNDS = 4
"""A branch that was taken may show new constants."""


def fold_constants(model: onnx.ModelProto) -> int:
    """Put constants in place of nodes whose inputs are known, `Shape` of a tensor of known size among them.

    Args:
        model: changed in place.

    Returns:
        How many nodes were replaced.
    """
    count = 0
    for _ in range(_ROUNDS):
        found = _fold(model) + _take_branches(model.graph)
        if not found:
            break
        count += found
    return count


def _fold(model: onnx.ModelProto) -> int:
    graph = model.graph
    sizes = _known_sizes(model)
    known = {tensor.name: tensor for tensor in graph.initializer if prod(tensor.dims) <= _MAX_ELEMENTS}
    values: dict[str, Array] = {}
    outputs = {value.name for value in graph.output}
    folded: list[onnx.NodeProto] = []
    room = _MAX_ALL
    for node in graph.node:
        if node.op_type == "Constant" and node.output[0] not in outputs:
            value = constant_value(node)
            if value is not None and value.size <= _MAX_ELEMENTS:
                values[node.output[0]] = value
        elif node.op_type in _FOLDED.split() and not outputs & set(node.output):
            made = _evaluate(node, _Known(known, values, sizes), opset_of(model))
            room -= sum(value.size for value in (made or {}).values())
            if made is not None and room > 0:
                values.update(made)
                folded.append(node)
    _replace(graph, folded, values)
    return len(folded)


def _replace(graph: onnx.GraphProto, folded: list[onnx.NodeProto], values: Mapping[str, Array]) -> None:
    gone = {name for node in folded for name in node.output}
    left = [node for node in graph.node if not gone & set(node.output)]
    del graph.node[:]
    graph.node.extend(left)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(values[name], order="C"), name) for name in gone if name in values
    )
    drop_unused(graph)


class _Known:
    """Values of tensors, as far as they are known."""

    def __init__(
        self,
        weights: Mapping[str, onnx.TensorProto],
        values: Mapping[str, Array],
        sizes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._weights, self._values, self.sizes = weights, values, sizes

    def value(self, name: str) -> Array | None:
        """A tensor's value, or None."""
        if name in self._values:
            return self._values[name]
        weight = self._weights.get(name)
        return None if weight is None else np.asarray(numpy_helper.to_array(weight))


def _evaluate(node: onnx.NodeProto, known: _Known, opset: int) -> dict[str, Array] | None:
    """The outputs of a node, or None where they are not known or too large."""
    if node.op_type in ("Shape", "Size") and node.input[0] in known.sizes:
        return {node.output[0]: _size_of(node, known.sizes[node.input[0]])}
    given = {name: known.value(name) for name in node.input if name}
    if any(value is None for value in given.values()) or _grows(node, given, known.sizes):
        return None
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [onnx.ValueInfoProto(name=name) for name in given],
        [onnx.ValueInfoProto(name=name) for name in node.output],
    )
    one = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            made = ReferenceEvaluator(one).run(None, given)
    except Exception:  # its operators raise whatever numpy does; the node is then left as it is
        return None
    arrays: list[Any] = [np.asarray(value) for value in made]
    if any(array.dtype == object or array.size > _MAX_ELEMENTS for array in arrays):
        return None
    return dict(zip(node.output, arrays, strict=True))


def _grows(node: onnx.NodeProto, given: Mapping[str, Any], sizes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a node's output would be far larger than its inputs."""
    values = [given[name] for name in node.input if name]
    match node.op_type:
        case "ConstantOfShape":
            count = _product(values[0])
        case "Expand" | "Tile":
            count = _product(values[1]) * values[0].size
        case "Range":
            start, limit, delta = (float(value) for value in values)
            count = int(abs((limit - start) / delta)) if delta else 0
        case "Concat":
            count = sum(value.size for value in values)
        case _:
            known = sizes.get(node.output[0])
            count = prod(known) if known is not None else prod(max(1, value.size) for value in values)
    return count > _MAX_ELEMENTS


def _product(sizes: Any) -> int:
    return prod(max(1, int(size)) for size in sizes.ravel())


def _size_of(node: onnx.NodeProto, shape: tuple[int, ...]) -> Array:
    if node.op_type == "Size":
        return np.array(prod(shape), np.int64)
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    return np.array(shape[attributes.get("start", 0) : attributes.get("end", len(shape))], np.int64)


def _known_sizes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError):
        return {}
    found = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        shape = tensor_info(value).shape
        if value.type.tensor_type.HasField("shape") and all(shape):
            found[value.name] = shape
    return found


def _take_branches(graph: onnx.GraphProto) -> int:
    """Put the chosen branch in place of each `If` whose condition is known."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    count = 0
    for node in graph.node:
        chosen = weights.get(node.input[0]) if node.op_type == "If" else None
        if chosen is None:
            nodes.append(node)
            continue
        wanted = "then_branch" if bool(np.all(numpy_helper.to_array(chosen))) else "else_branch"
        branch = next(attribute.g for attribute in node.attribute if attribute.name == wanted)
        nodes += _branch_nodes(branch, node, graph)
        count += 1
    if count:
        del graph.node[:]
        graph.node.extend(nodes)
        drop_unused(graph)
    return count


def _branch_nodes(branch: onnx.GraphProto, node: onnx.NodeProto, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Nodes of a branch, and one for each output that gives it the name that the `If` gave it.

    Names in a branch are its own by ONNX's rules: none of them is also the graph's.
    """
    graph.initializer.extend(branch.initializer)
    named = zip(branch.output, node.output, strict=True)
    renamed = [onnx.helper.make_node("Identity", [inner.name], [outer]) for inner, outer in named if outer]
    return [*branch.node, *renamed]
