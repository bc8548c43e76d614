"""Where a model is cut in two: an accelerator's engine in front, arithmetic in float behind. Pure.

One int8 range cannot hold boxes of hundreds and scores below one. The cut lies before everything that computes with
them: right behind the last trained layers, whose outputs each have a range of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.host.engine.model.graph import Graph

_APART = 16
"""Tensors are of very different ranges where fewer int8 steps of the larger are left to the smaller."""
_LEVELS = 255

Ranges = Mapping[str, tuple[float, float]]
"""Least and largest value of tensors, over pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A way to cut a graph."""

    tensors: tuple[str, ...]
    """What the head gives and the tail takes, in the order in which the tail needs them."""
    tail: frozenset[int]
    """Numbers of the nodes behind."""


class NoCut(Exception):
    """The tensors that a recipe names do not cut the graph in two; says why."""


def joins(graph: Graph) -> tuple[onnx.NodeProto, ...]:
    """Nodes that join tensors along an axis with no trained layer behind them."""
    found = []
    for node in graph.nodes:
        if node.op_type == "Concat" and len(graph.varying(node)) > 1:
            after = graph.behind(node.output)
            if not any(graph.is_weighted(graph.nodes[index]) for index in after):
                found.append(node)
    return tuple(found)


def find_cut(graph: Graph, ranges: Ranges, mixed: Iterable[str]) -> Cut | None:
    """The cut for `split = "auto"`; None where nothing of different ranges is joined.

    Args:
        graph: the float model.
        ranges: of what `joins` takes.
        mixed: outputs whose channels differ in range, whatever made them so.
    """
    starts = [
        node for node in joins(graph) if _differ([ranges[name] for name in graph.varying(node) if name in ranges])
    ]
    starts += [graph.nodes[graph.maker[name]] for name in mixed if name in graph.maker]
    if not starts:
        return None
    tail = frozenset(index for node in starts for index in _arithmetic(graph, node))
    tail |= graph.behind({name for index in tail for name in graph.nodes[index].output})
    return Cut(tensors=graph.crossing(tail), tail=tail) if tail else None


def named_cut(graph: Graph, names: Iterable[str]) -> Cut:
    """The cut behind named tensors. Raises NoCut."""
    wanted = tuple(names)
    for name in wanted:
        if name in graph.inputs or name in graph.constant:
            raise NoCut(f"{name} is an input or a constant: nothing would be left in front")
        if name not in graph.maker:
            raise NoCut(f"there is no tensor {name}")
    tail = graph.behind(wanted)
    tensors = graph.crossing(tail)
    unused = [name for name in wanted if name not in tensors]
    if unused and unused[0] in graph.outputs and not tail:
        raise NoCut(f"{unused[0]} is the model's own output: nothing is computed from it")
    if unused:
        raise NoCut(f"nothing is computed from {unused[0]}, or it lies behind the others")
    passed = [name for name in tensors if name in graph.inputs]
    if passed:
        raise NoCut(f"what lies behind takes {passed[0]}, the model's input, too: name tensors further on")
    return Cut(tensors=tensors, tail=tail)


def _differ(ranges: list[tuple[float, float]]) -> bool:
    reaches = [max(abs(low), abs(high)) for low, high in ranges]
    seen = [reach for reach in reaches if reach > 0]
    if len(seen) < 2:
        return False
    step = (max(0.0, *(high for _, high in ranges)) - min(0.0, *(low for low, _ in ranges))) / _LEVELS
    return min(seen) < _APART * step


def _arithmetic(graph: Graph, node: onnx.NodeProto) -> frozenset[int]:
    """A node, and all before it up to the trained layers; only itself where there is a way to the input without one."""
    trained = frozenset(index for index, one in enumerate(graph.nodes) if graph.is_weighted(one))
    itself = frozenset({graph.maker[node.output[0]]})
    if itself <= trained:
        return frozenset()
    found = graph.before(node.output, trained)
    found = frozenset(index for index in found if graph.varying(graph.nodes[index]))
    return itself if any(name in graph.inputs for name in graph.crossing(found)) else found


def cut_model(
    graph: Graph, cut: Cut, values: Mapping[str, npt.NDArray[np.generic]]
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """Make head and tail.

    Args:
        graph: the float model.
        cut: where.
        values: one run's of `needed_values`: constants that the tail takes, and what its inputs and outputs look like.

    Returns:
        The head, whose outputs are the cut's tensors and outputs of the model that lie before it; and the tail, whose
        outputs are the others.
    """
    behind = {name for index in cut.tail for name in graph.nodes[index].output}
    kept = [name for name in graph.outputs if name not in behind]
    front = graph.before((*cut.tensors, *kept))
    head = _part(graph, front, (), dict.fromkeys((*cut.tensors, *kept)), values)
    late = [name for name in graph.outputs if name in behind]
    return head, _part(graph, cut.tail, cut.tensors, late, values)


def needed_values(graph: Graph, cut: Cut) -> tuple[str, ...]:
    """Tensors whose values `cut_model` takes."""
    taken = (name for index in sorted(cut.tail) for name in graph.taken(graph.nodes[index]))
    constants = (name for name in taken if name in graph.constant and name not in graph.weights)
    made = {name for index in cut.tail for name in graph.nodes[index].output}
    return tuple(dict.fromkeys((*cut.tensors, *graph.outputs, *(name for name in constants if name not in made))))


def _part(
    graph: Graph,
    nodes: Iterable[int],
    inputs: Iterable[str],
    outputs: Iterable[str],
    values: Mapping[str, npt.NDArray[np.generic]],
) -> onnx.ModelProto:
    """Some nodes as a model of their own."""
    model, inside = graph.model, [graph.nodes[index] for index in sorted(nodes)]
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del (
        made.graph.node[:],
        made.graph.initializer[:],
        made.graph.input[:],
        made.graph.output[:],
        made.graph.value_info[:],
    )
    made.graph.node.extend(inside)
    here = {name for node in inside for name in node.output}
    taken = dict.fromkeys(name for node in inside for name in graph.taken(node) if name not in here)
    made.graph.initializer.extend(graph.weights[name] for name in taken if name in graph.weights)
    fixed = (name for name in taken if name in graph.constant and name not in graph.weights)
    made.graph.initializer.extend(onnx.numpy_helper.from_array(values[name], name) for name in fixed)
    given = [_value(name, values[name]) for name in inputs]
    made.graph.input.extend(given or [value for value in model.graph.input if value.name in graph.inputs])
    made.graph.output.extend(_value(name, values[name]) for name in outputs)
    return made


def _value(name: str, array: npt.NDArray[np.generic]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
