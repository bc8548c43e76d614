"""Functions that a model brings itself: bounded before anything expands them, then put in place of their calls.

A function that calls another twice, which calls a third twice, and so on, is a small file that never ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
import onnx.inliner

from edgekit.errors import EngineError

_MAX_NODES = 200_000
"""Of a model with all its functions in place; the largest that are run on boards have some ten thousand."""
_Key = tuple[str, str]


def check_functions(path: Path, model: onnx.ModelProto) -> None:
    """Raise EngineError where a model's functions call themselves, or grow beyond any use."""
    if not model.functions:
        return
    bodies = {(function.domain, function.name): tuple(_calls(function.node)) for function in model.functions}
    sizes: dict[_Key, int] = {}
    total = 0
    for call in _calls(model.graph.node):
        total += _size(call, bodies, sizes, path)
        if total > _MAX_NODES:
            raise EngineError(
                f"{path} has more than {_MAX_NODES} nodes once its functions are in place",
                hint="export it without functions: torch.onnx.export does so with dynamo=False",
            )


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model whose functions are in place of their calls; the model itself where it has none."""
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _calls(nodes: Iterable[onnx.NodeProto]) -> Iterator[_Key]:
    """What nodes call, those of their inner graphs too."""
    for node in nodes:
        yield (node.domain, node.op_type)
        for attribute in node.attribute:
            for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _calls(graph.node)


def _size(start: _Key, bodies: dict[_Key, tuple[_Key, ...]], sizes: dict[_Key, int], path: Path) -> int:
    """Number of nodes that a call expands to. Each function is counted once, without recursion: chains may be long."""
    stack: list[_Key] = [start]
    open_calls: set[_Key] = set()
    while stack:
        key = stack[-1]
        body = bodies.get(key)
        if body is None or key in sizes:
            sizes.setdefault(key, 1)
            open_calls.discard(key)
            stack.pop()
            continue
        unknown = [call for call in dict.fromkeys(body) if call not in sizes]
        if unknown and key in open_calls:
            raise EngineError(f"{path}: its function {key[1]} calls itself", hint="export the model again")
        if unknown:
            open_calls.add(key)
            stack += unknown
            continue
        sizes[key] = min(_MAX_NODES + 1, sum(sizes[call] for call in body))
    return sizes[start]
