"""Finds what is computed from what in an ONNX graph. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from math import prod

import onnx

_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
_SIZES = frozenset({"Shape", "Size"})
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "ConvInteger", "MatMulInteger", "LSTM", "GRU", "RNN"})
_FEW_WEIGHTS = 64
"""A convolution of one channel with no more weights and no bias is arithmetic: YOLO makes expected values so."""

_MAX_DEPTH = 64
"""Of graphs in graphs; protobuf itself stops near 100."""


class Graph:
    """Looks things up in a model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes = tuple(model.graph.node)
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.inputs = frozenset(value.name for value in model.graph.input if value.name not in self.weights)
        self.outputs = tuple(value.name for value in model.graph.output)
        self.maker = {name: index for index, node in enumerate(self.nodes) for name in node.output if name}

    @cached_property
    def constant(self) -> frozenset[str]:
        """Tensors whose values no picture can change: weights, sizes, and what is computed from them alone."""
        found = set(self.weights)
        for node in self.nodes:
            taken = self.taken(node)
            fixed = node.op_type in _SIZES or (node.op_type not in _RANDOM and all(name in found for name in taken))
            if fixed:
                found.update(node.output)
        return frozenset(found)

    @staticmethod
    def taken(node: onnx.NodeProto) -> tuple[str, ...]:
        """What a node takes, also inside its branches and loops."""
        names = dict.fromkeys(name for name in node.input if name)
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                made = {name for inner in graph.node for name in inner.output}
                made |= {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
                inside = (name for inner in graph.node for name in Graph.taken(inner))
                names |= dict.fromkeys(name for name in inside if name not in made)
        return tuple(names)

    def varying(self, node: onnx.NodeProto) -> tuple[str, ...]:
        """What a node takes that depends on the picture."""
        return tuple(name for name in self.taken(node) if name not in self.constant)

    def is_weighted(self, node: onnx.NodeProto) -> bool:
        """Whether it is a layer that was trained: a convolution or matrix product with weights of its own."""
        if node.op_type not in _WEIGHTED:
            return False
        fixed = [name for name in node.input if name in self.constant]
        dims = [tuple(self.weights[name].dims) for name in fixed if name in self.weights]
        sums = node.op_type == "Conv" and len(dims) == 1 and dims[0][0] == 1 and prod(dims[0]) <= _FEW_WEIGHTS
        return bool(fixed) and not sums

    def behind(self, tensors: Collection[str]) -> frozenset[int]:
        """Nodes that take any of these tensors, or what is computed from them."""
        known, found = set(tensors), set()
        for index, node in enumerate(self.nodes):
            if any(name in known for name in self.taken(node)):
                found.add(index)
                known.update(node.output)
        return frozenset(found)

    def before(self, tensors: Iterable[str], ends: Collection[int] = ()) -> frozenset[int]:
        """Nodes that these tensors are computed by, those in `ends` and what lies before them left out."""
        waiting, found = list(tensors), set()
        while waiting:
            index = self.maker.get(waiting.pop())
            if index is None or index in found or index in ends:
                continue
            found.add(index)
            waiting += self.taken(self.nodes[index])
        return frozenset(found)

    def crossing(self, tail: Collection[int]) -> tuple[str, ...]:
        """Tensors that depend on the picture and go from the rest of the graph into `tail`, in its order."""
        made = {name for index in tail for name in self.nodes[index].output}
        taken = (name for index in sorted(tail) for name in self.varying(self.nodes[index]))
        return tuple(dict.fromkeys(name for name in taken if name not in made))


def computed_from(model: onnx.ModelProto, tensors: Iterable[str]) -> tuple[str, ...]:
    """Tensors, and all that is computed from them, in the graph's order."""
    found = dict.fromkeys(tensors)
    for node in model.graph.node:
        if any(name in found for name in node.input):
            found.update(dict.fromkeys(node.output))
    return tuple(found)


def constants_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant of a model: weights, values of nodes, those of inner graphs and of functions."""
    yield from _graph_tensors(model.graph, 0)
    for function in model.functions:
        for node in function.node:
            yield from _node_tensors(node, 0)


def _graph_tensors(graph: onnx.GraphProto, depth: int) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _node_tensors(node, depth)


def _node_tensors(node: onnx.NodeProto, depth: int) -> Iterator[onnx.TensorProto]:
    if depth > _MAX_DEPTH:
        return
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse = [
            *attribute.sparse_tensors,
            *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
        ]
        for one in sparse:
            yield from (one.values, one.indices)
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
            yield from _graph_tensors(graph, depth + 1)
