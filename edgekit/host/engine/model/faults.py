"""Faults of a model's graph, each a sentence with the node's name: found before any compiler sees it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
import onnx.numpy_helper

from edgekit.errors import EngineError
from edgekit.host.engine.model.graph import constants_of

DYNAMIC = frozenset({"If", "Loop", "NonMaxSuppression", "NonZero", "Scan", "SequenceAt", "SplitToSequence", "Unique"})
"""Operators whose outputs have sizes that only content tells: a runner could not hold them ready."""
_OWN = ("", "ai.onnx")
_NODE = re.compile(r"\(op_type: ?(\w+)(?:, node name: ?([^)]*))?\)")
_UNEQUAL = re.compile(r"Dimension mismatch in unification between (\d+) and (\d+)")
_BRACKETS = re.compile(r"\[\w+\] ?")


def find_faults(model: onnx.ModelProto) -> tuple[str, ...]:
    """Every fault of a graph that can be found without running it; none where it may be tried."""
    return find_graph_faults(model) or tuple(_checker(model)) or tuple(_shapes(model))


def find_graph_faults(model: onnx.ModelProto) -> tuple[str, ...]:
    """Faults of the graph itself: unknown operators, tensors that no node makes or two make, damaged constants."""
    return (*_opsets(model), *_operators(model), *_wiring(model.graph), *_constants(model))


def refuse(path: Path, reasons: Sequence[str]) -> None:
    """Raise the first of the reasons why a model cannot become an engine; return where there are none.

    Args:
        path: the user's model.
        reasons: each a sentence, `fault: what to change`.

    Raises:
        EngineError: names the first; the others are its details.
    """
    if reasons:
        reason, _, cure = reasons[0].rpartition(": ")
        raise EngineError(f"{path}: {reason}", hint=cure, details="\n".join(reasons[1:]))


def node_name(node: onnx.NodeProto, index: int) -> str:
    """A node's name; for one without, its number and outputs."""
    return node.name or f"number {index} ({', '.join(node.output)})"


def _opsets(model: onnx.ModelProto) -> Iterator[str]:
    newest = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        if entry.domain in _OWN and entry.version > newest:
            yield f"opset {entry.version} is newer than any that is known here ({newest}): export it with an older one"


def _operators(model: onnx.ModelProto) -> Iterator[str]:
    imported = {entry.domain for entry in model.opset_import}
    functions = {(function.domain, function.name) for function in model.functions}
    for index, node in enumerate(model.graph.node):
        name = node_name(node, index)
        if (node.domain, node.op_type) in functions:
            continue
        if node.domain in _OWN and not onnx.defs.has(node.op_type):
            yield f"node {name}: there is no operator {node.op_type} in ONNX"
        elif node.domain not in (*_OWN, *imported):
            yield f"node {name}: operator {node.op_type} is of domain {node.domain}, which the model does not import"


def _wiring(graph: onnx.GraphProto) -> Iterator[str]:
    """Tensors must be made before they are taken, each once."""
    makers = {name: node_name(node, index) for index, node in enumerate(graph.node) for name in node.output if name}
    known = {"", *(value.name for value in graph.input), *(tensor.name for tensor in graph.initializer)}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    for index, node in enumerate(graph.node):
        name = node_name(node, index)
        for taken in node.input:
            if taken not in known and taken in makers:
                yield f"node {name} takes {taken}, which only node {makers[taken]} behind it makes"
            elif taken not in known:
                yield f"node {name} takes {taken}, which nothing makes: a weight is missing"
        for made in node.output:
            if made and made in known:
                yield f"node {name} makes {made}, which is there already"
            known.add(made)
    for value in graph.output:
        if value.name not in known:
            yield f"output {value.name} is made by no node"
    if not graph.output:
        yield "it has no output"


def _constants(model: onnx.ModelProto) -> Iterator[str]:
    for tensor in constants_of(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            continue
        try:
            onnx.numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError):  # content and shape do not fit; there is no such type
            name = tensor.name or "(without a name)"
            yield f"constant {name}: its content does not fit its shape {list(tensor.dims)}"


def _checker(model: onnx.ModelProto) -> Iterator[str]:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        where = next((line.split("Name:")[1].split()[0] for line in lines if "Name:" in line), "")
        reason = lines[0] if lines else "it is not valid"
        yield f"node {where}: {reason}" if where else reason


def _shapes(model: onnx.ModelProto) -> Iterator[str]:
    """Contradictions that ONNX's shape inference finds; it knows ONNX's own operators alone."""
    if any(node.domain not in _OWN for node in model.graph.node):
        return
    try:
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except (onnx.shape_inference.InferenceError, ValueError) as error:
        yield _plain(str(error))


def _plain(text: str) -> str:
    """A message of ONNX's shape inference, reworded for the user."""
    words = " ".join(text.split())
    node = _NODE.search(words)
    sizes = _UNEQUAL.search(words)
    reason = (
        f"sizes do not meet: {sizes[1]} and {sizes[2]}"
        if sizes
        else _BRACKETS.sub("", words[node.end() :] if node else words)
    )
    where = f"node {node[2] or '(without a name)'} ({node[1]}): " if node else ""
    return where + reason.strip(" :")
