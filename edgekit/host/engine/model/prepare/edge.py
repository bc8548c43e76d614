"""Changes a model's input to what a backend takes: planes of float32 for the NPU, a cast after bytes for the GPU."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from edgekit.host.engine.model.prepare.graphs import drop_identities, drop_unused, free_name, put_in_front, rename_uses

_FLOAT, _BYTES = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
_MOVES = frozenset({"Transpose", "Reshape", "Identity", "Squeeze", "Unsqueeze", "Flatten", "Slice", "Gather", "Split"})
"""Operators that take bytes and floats alike, and compute nothing: their first input's type is their outputs'."""
_TO_NHWC = [0, 2, 3, 1]


def take_planes(model: onnx.ModelProto, name: str) -> Iterator[str]:
    """Let an input that is channels last be channels first: a Transpose behind it, which meets the model's own."""
    value = _input(model.graph, name)
    dims = value.type.tensor_type.shape.dim
    batch, height, width, channels = (size.dim_value for size in dims)
    for size, dim in zip((batch, channels, height, width), dims, strict=True):
        dim.dim_value = size
    behind = free_name(model.graph, f"{name}_nhwc")
    rename_uses(model.graph, name, behind)
    put_in_front(model.graph, [onnx.helper.make_node("Transpose", [name], [behind], name=behind, perm=_TO_NHWC)])
    _cancel_transposes(model.graph, behind)
    _stale(model)
    yield f"input {name} is channels first here: the NPU is given channels last by its own runtime"


def take_floats(model: onnx.ModelProto, name: str) -> Iterator[str]:
    """Let an input of bytes be float32 with the same values: casts to float behind it are not needed then."""
    _input(model.graph, name).type.tensor_type.elem_type = _FLOAT
    _carry_floats(model.graph, name)
    _stale(model)
    yield f"input {name} is float32 here, with the values of its bytes"


def cast_at_once(model: onnx.ModelProto, name: str) -> Iterator[str]:
    """Cast bytes to float32 directly behind the input: the one thing that TensorRT does with bytes.

    Source: TensorRT's developer guide, types and precision: UINT8 is for network inputs and outputs alone.
    """
    behind = free_name(model.graph, f"{name}_float")
    rename_uses(model.graph, name, behind)
    _carry_floats(model.graph, behind)
    put_in_front(model.graph, [onnx.helper.make_node("Cast", [name], [behind], name=behind, to=_FLOAT)])
    _stale(model)
    yield f"input {name} is cast to float32 at once"


def _input(graph: onnx.GraphProto, name: str) -> onnx.ValueInfoProto:
    found: onnx.ValueInfoProto = next(value for value in graph.input if value.name == name)
    return found


def _stale(model: onnx.ModelProto) -> None:
    """Remove recorded shapes of inner tensors, which are no longer right."""
    del model.graph.value_info[:]


def _carry_floats(graph: onnx.GraphProto, name: str) -> None:
    """Follow a tensor that is float32 now through operators that only move; end at casts, or put the bytes back."""
    carried, bytes_of = {name}, dict[str, str]()
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        taken = [index for index, one in enumerate(node.input) if one in carried]
        if not taken:
            nodes.append(node)
        elif node.op_type == "Cast" and _to(node) == _FLOAT:
            nodes.append(onnx.helper.make_node("Identity", [node.input[0]], [node.output[0]], name=node.name))
        elif node.op_type == "Cast":
            nodes.append(node)
        elif node.op_type in _MOVES and taken == [0]:
            nodes.append(node)
            carried.update(node.output)
        else:
            nodes += _put_bytes_back(node, taken, bytes_of, graph)
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    drop_identities(graph)


def _put_bytes_back(
    node: onnx.NodeProto, taken: list[int], bytes_of: dict[str, str], graph: onnx.GraphProto
) -> Iterator[onnx.NodeProto]:
    for index in taken:
        source = node.input[index]
        if source not in bytes_of:
            bytes_of[source] = free_name(graph, f"{source}_bytes")
            yield onnx.helper.make_node("Cast", [source], [bytes_of[source]], name=bytes_of[source], to=_BYTES)
        node.input[index] = bytes_of[source]


def _to(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "to"), 0)


def _cancel_transposes(graph: onnx.GraphProto, name: str) -> None:
    """Where the model turns a tensor back that was turned in front of it, neither is needed."""
    turned = next(node for node in graph.node if name in node.output)
    for node in list(graph.node):
        if node.op_type == "Transpose" and node.input[0] == name and _perm(node) == [0, 3, 1, 2]:
            if any(value.name == node.output[0] for value in graph.output):
                continue
            rename_uses(graph, node.output[0], turned.input[0])
    drop_unused(graph)


def _perm(node: onnx.NodeProto) -> list[int]:
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), [])
