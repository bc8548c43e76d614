"""Small steps on an ONNX graph that every rewrite takes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Array = npt.NDArray[np.generic]


def constant_of(graph: onnx.GraphProto, name: str) -> Array | None:
    """A constant's value by the tensor's name; None where it is computed."""
    for tensor in graph.initializer:
        if tensor.name == name:
            return np.asarray(numpy_helper.to_array(tensor))
    for node in graph.node:
        if node.op_type == "Constant" and name in node.output:
            return constant_value(node)
    return None


def constant_value(node: onnx.NodeProto) -> Array | None:
    """What a Constant node holds; None for one of strings or a sparse one."""
    for attribute in node.attribute:
        match attribute.name:
            case "value":
                return np.asarray(numpy_helper.to_array(attribute.t))
            case "value_float" | "value_floats":
                return np.array(onnx.helper.get_attribute_value(attribute), np.float32)
            case "value_int" | "value_ints":
                return np.array(onnx.helper.get_attribute_value(attribute), np.int64)
    return None


def set_constant(graph: onnx.GraphProto, name: str, value: Array) -> str:
    """Add a constant; gives the name that it has, which is another where that one is taken."""
    free = free_name(graph, name)
    graph.initializer.append(numpy_helper.from_array(np.asarray(value, order="C"), free))
    return free


def free_name(graph: onnx.GraphProto, wish: str) -> str:
    """A name that no tensor has."""
    taken = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    taken |= {name for node in graph.node for name in (*node.input, *node.output)}
    name, number = wish, 1
    while name in taken:
        name, number = f"{wish}_{number}", number + 1
    return name


def put_in_front(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Insert nodes before all others."""
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def rename_uses(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Let everything that takes a tensor take another; inner graphs included."""
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                rename_uses(inner, old, new)


def uses_of(graph: onnx.GraphProto) -> set[str]:
    """Every tensor that a node or an output takes, inner graphs included."""
    found = {value.name for value in graph.output}
    for node in graph.node:
        found.update(node.input)
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                found |= uses_of(inner)
    return found


def drop_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and weights that nothing takes, from the end to the front."""
    wanted = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if any(name in wanted for name in node.output):
            kept.append(node)
            wanted.update(node.input)
            for attribute in node.attribute:
                for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                    wanted |= uses_of(inner)
    nodes = list(reversed(kept))
    if len(nodes) < len(graph.node):
        del graph.node[:]
        graph.node.extend(nodes)
    weights = [tensor for tensor in graph.initializer if tensor.name in wanted]
    if len(weights) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(weights)


def drop_identities(graph: onnx.GraphProto) -> None:
    """Remove Identity nodes; an output keeps its name, which goes to the node that makes it."""
    outputs = {value.name for value in graph.output}
    makers = {name: node for node in graph.node for name in node.output}
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        given, made = node.input[0], node.output[0]
        if made not in outputs:
            rename_uses(graph, made, given)
        elif given in makers and given not in outputs:
            maker = makers[given]
            maker.output[list(maker.output).index(given)] = made
            makers[made] = maker
            graph.node.remove(node)
            rename_uses(graph, given, made)
    drop_unused(graph)
