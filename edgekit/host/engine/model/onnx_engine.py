"""Checks an ONNX file that a compiler left: is it the model that was asked for, whole and by itself?"""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from edgekit.errors import EngineError
from edgekit.host.engine.model.faults import find_graph_faults
from edgekit.host.engine.model.graph import constants_of
from edgekit.host.engine.model.onnx_model import OnnxModel, Tensor, find_broken_text, inputs_of, parse_onnx, tensor_info
from edgekit.host.engine.model.prepare.functions import check_functions

_HINT = "build again; if it stays, report this"


def check_onnx_engine(engine: bytes, model: OnnxModel) -> onnx.ModelProto:
    """Read an engine for ONNX Runtime, operators of its own among ONNX's.

    Args:
        engine: what the compiler left.
        model: what it was made from.

    Returns:
        What it holds.

    Raises:
        EngineError: it is no whole ONNX model, has other inputs or outputs, or takes weights from other files.
        MemoryError: there is none for it.
    """
    try:
        made: onnx.ModelProto | None = parse_onnx(engine)
    except DecodeError:
        made = None
    if made is None or not made.graph.node or find_broken_text(made) is not None:
        raise EngineError("the engine is no ONNX model, or empty, or cut short", hint=_HINT)
    check_functions(Path("the engine"), made)
    for tensor in constants_of(made):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise EngineError(f"the engine takes its weights {tensor.name} from another file", hint=_HINT)
    _check_ends("inputs", inputs_of(made), model.inputs)
    _check_ends("outputs", tuple(map(tensor_info, made.graph.output)), model.outputs)
    if faults := find_graph_faults(made):
        raise EngineError(f"the engine is damaged: {faults[0]}", hint=_HINT, details="\n".join(faults[1:]))
    return made


def _check_ends(what: str, found: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> None:
    """An optimiser may know more sizes than the model says, and no other ones."""
    if len(found) != len(wanted) or not all(_same(one, other) for one, other in zip(found, wanted, strict=True)):
        has, had = (", ".join(map(str, tensors)) or "none" for tensors in (found, wanted))
        raise EngineError(f"the engine has {what} {has}, and its model {had}", hint=_HINT)


def _same(one: Tensor, other: Tensor) -> bool:
    if (one.name, one.dtype) != (other.name, other.dtype):
        return False
    if not one.shape or not other.shape:
        return True
    pairs = zip(one.shape, other.shape, strict=False)
    return len(one.shape) == len(other.shape) and all(a == b or not a or not b for a, b in pairs)
