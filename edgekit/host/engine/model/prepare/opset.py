"""Converts a model to an operator set that a toolkit knows."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.model.faults import find_faults
from edgekit.host.engine.model.onnx_model import opset_of

RKNN_MAX_OPSET = 19
"""Source: measured, rknn-toolkit2 2.3.2 and 2.5.0: "Unsupport onnx opset"."""


def lower_opset(model: onnx.ModelProto, newest: int, toolkit: str, path: object) -> Iterator[str]:
    """Convert a model that has a newer operator set.

    Args:
        model: changed in place.
        newest: the newest that the toolkit takes.
        toolkit: whose bound it is, for messages.
        path: the model's file, for messages.

    Raises:
        EngineError: it uses what the older set does not have.
    """
    opset = opset_of(model)
    if opset <= newest:
        return
    converted = _converted(model, newest)
    if converted is None:
        raise EngineError(
            f"{path}: opset {opset} is too new for {toolkit}, and it uses operators that opset {newest} does not have",
            hint=f"export it with opset_version={newest} or lower",
        )
    model.CopyFrom(converted)
    yield f"operator set {opset} converted to {newest}, the newest that {toolkit} takes"


def _converted(model: onnx.ModelProto, newest: int) -> onnx.ModelProto | None:
    """ONNX's own converter; where that does not know the way down, the same nodes, if the older set has them all."""
    try:
        converted = onnx.version_converter.convert_version(model, newest)
    except Exception:  # its errors share no class
        converted = onnx.ModelProto()
        converted.CopyFrom(model)
        for entry in converted.opset_import:
            if entry.domain in ("", "ai.onnx"):
                entry.version = newest
    return None if find_faults(converted) or _new_attributes(converted, newest) else converted


def _new_attributes(model: onnx.ModelProto, opset: int) -> bool:
    """Whether a node has an attribute that its operator had not yet in that set: the meaning would change."""
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            continue
        try:
            known = onnx.defs.get_schema(node.op_type, opset).attributes
        except onnx.defs.SchemaError:
            return True
        if any(attribute.name not in known for attribute in node.attribute):
            return True
    return False
