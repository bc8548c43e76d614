"""Reads and checks an ONNX file, and describes it without running it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message

from edgekit.errors import EngineError
from edgekit.host.engine.model.faults import find_faults, find_graph_faults
from edgekit.host.engine.model.prepare.external import load_external
from edgekit.host.engine.model.prepare.functions import check_functions
from edgekit.host.engine.reading import MAX_MODEL_BYTES, read_bounded
from edgekit.trust import sha256_bytes

_SHOWN_BYTES = 40
_MAX_ENTRIES, _MAX_ENTRY = 64, 1 << 18
"""Of metadata: ten thousand names of classes."""
_LAYS_OUT = frozenset(
    {"Identity", "Cast", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "DequantizeLinear"}
)
_MAX_STEPS = 16
_NO_ROOM = "alloc failed"
"""Source: protobuf, upb's message for a parser without memory."""
_NAMES = {"float": "float32", "double": "float64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """0 where the size is not fixed."""

    def __str__(self) -> str:
        """For messages: `image float32[1, 3, 96, 160]`."""
        return f"{self.name} {self.dtype}[{', '.join(str(size or '?') for size in self.shape)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxModel:
    """A checked model."""

    sha256: str
    """Of the model as one file: with the weights that lay beside it."""
    bytes: int
    opset: int
    ir_version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    macs: int
    """Multiply-accumulates of convolutions and matrix products; 0 where the sizes of one of them are not known."""
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    """What its exporter wrote into it: names of classes, its task. Texts that are very long are left out."""
    made_by: dict[str, str] = dataclasses.field(default_factory=dict)
    """The operator that makes each output, not counting those that only lay it out in another way."""

    @property
    def macs_fact(self) -> dict[str, str]:
        """`macs` among an engine's facts; empty where it is not known."""
        return {"macs": str(self.macs)} if self.macs else {}


def read_onnx(path: Path) -> OnnxModel:
    """Read and check an ONNX file.

    Raises:
        EngineError: not ONNX, not a valid model, or weights beside it cannot be read.
    """
    model, data = load_onnx(path)
    check_sound(path, model)
    return describe(model, data)


def parse_onnx(data: bytes) -> onnx.ModelProto:
    """Parse an ONNX file's bytes.

    Raises:
        DecodeError: they are something else.
        MemoryError: there is none for it.
    """
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        if _NO_ROOM in str(error):
            raise MemoryError(str(error)) from None
        raise


def load_onnx(path: Path) -> tuple[onnx.ModelProto, bytes]:
    """Read an ONNX file and the weights that it keeps beside itself, without a look at its graph.

    Returns:
        The model, whole, and its bytes: the file's own where nothing lies beside it.

    Raises:
        EngineError: it is no ONNX file, too large, made to grow without end, or weights of it cannot be had.
        MemoryError: there is none for it.
    """
    data = read_bounded(path, MAX_MODEL_BYTES)
    if not data:
        raise EngineError(f"{path} is empty", hint="export it again")
    try:
        model = parse_onnx(data)
    except DecodeError as error:
        message = f"{path} is no ONNX model: another kind of file, or cut short"
        raise EngineError(message, hint="export it again", details=str(error)) from None
    if not model.HasField("graph"):
        raise EngineError(f"{path} is no ONNX model: there is no graph in it", hint="export it again")
    broken = find_broken_text(model)
    if broken is not None:
        message = f"{path} is damaged: a name in it is no text: {broken[:_SHOWN_BYTES]!r}"
        raise EngineError(message, hint="export it again")
    check_functions(path, model)
    if load_external(path, model, MAX_MODEL_BYTES - len(data)):
        data = model.SerializeToString(deterministic=True)
    return model, data


def find_broken_text(message: Message) -> bytes | None:
    """The first text in a protobuf message, however deep, that is not UTF-8: protobuf gives such a one as bytes."""
    for field, value in message.ListFields():
        parts = [value] if isinstance(value, (str, bytes, Message)) else value
        if field.type == field.TYPE_STRING:
            broken = next((part for part in parts if isinstance(part, bytes)), None)
        elif field.type == field.TYPE_MESSAGE:
            broken = next((text for part in parts if (text := find_broken_text(part)) is not None), None)
        else:
            continue
        if broken is not None:
            return broken
    return None


def check_sound(path: Path, model: onnx.ModelProto) -> None:
    """Raise EngineError where a graph contradicts itself or ONNX."""
    _raise_first(path, find_faults(model))


def check_graph(path: Path, model: onnx.ModelProto) -> None:
    """Raise EngineError where a graph cannot be followed from its inputs to its outputs; of types it knows nothing."""
    _raise_first(path, find_graph_faults(model))


def _raise_first(path: Path, faults: tuple[str, ...]) -> None:
    if faults:
        raise EngineError(f"{path}: {faults[0]}", hint="export the model again", details="\n".join(faults[1:]))


def describe(model: onnx.ModelProto, data: bytes) -> OnnxModel:
    """Describe a model.

    Args:
        model: whole.
        data: the same as bytes.
    """
    return OnnxModel(
        sha256=sha256_bytes(data),
        bytes=len(data),
        opset=opset_of(model),
        ir_version=model.ir_version,
        inputs=inputs_of(model),
        outputs=tuple(tensor_info(value) for value in model.graph.output),
        macs=_macs(model),
        metadata=_metadata(model),
        made_by=_makers(model.graph),
    )


def _metadata(model: onnx.ModelProto) -> dict[str, str]:
    short = {entry.key: entry.value for entry in model.metadata_props[:_MAX_ENTRIES] if len(entry.key) <= _SHOWN_BYTES}
    return {key: value for key, value in short.items() if len(value) <= _MAX_ENTRY}


def _makers(graph: onnx.GraphProto) -> dict[str, str]:
    """Of each output, the operator that makes its numbers."""
    makers = {name: node for node in graph.node for name in node.output}
    found = {}
    for value in graph.output:
        node = _maker(value.name, makers, _LAYS_OUT)
        if node is not None:
            found[value.name] = "Softmax" if _is_softmax(node, makers) else node.op_type
    return found


def _is_softmax(node: onnx.NodeProto, makers: Mapping[str, onnx.NodeProto]) -> bool:
    """Whether it is the last of exp(x) / sum(exp(x)), as converters from TensorFlow and JAX write a softmax."""
    if node.op_type != "Div" or len(node.input) != 2:
        return False
    top, bottom = makers.get(node.input[0]), _maker(node.input[1], makers, _LAYS_OUT | {"Expand"})
    return (
        top is not None
        and bottom is not None
        and (top.op_type, bottom.op_type) == ("Exp", "ReduceSum")
        and bottom.input[0] == node.input[0]
    )


def _maker(name: str, makers: Mapping[str, onnx.NodeProto], passed: frozenset[str]) -> onnx.NodeProto | None:
    """The node that makes a tensor's numbers: those of the kinds that are passed only lay them out."""
    node, steps = makers.get(name), 0
    while node is not None and node.op_type in passed and steps < _MAX_STEPS:
        node, steps = makers.get(node.input[0]) if node.input else None, steps + 1
    return node


def opset_of(model: onnx.ModelProto) -> int:
    """Version of ONNX's own operators; 0 where it imports none."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def inputs_of(model: onnx.ModelProto) -> tuple[Tensor, ...]:
    """What a model is given when it runs: its inputs without those that are weights."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return tuple(tensor_info(value) for value in model.graph.input if value.name not in weights)


def tensor_info(value: onnx.ValueInfoProto) -> Tensor:
    """Name, type and sizes of a tensor; sizes that are named, negative or missing are 0."""
    found = value.type.tensor_type
    dtype = onnx.TensorProto.DataType.Name(found.elem_type).lower()
    shape = tuple(max(0, size.dim_value) for size in found.shape.dim)
    return Tensor(name=value.name, dtype=_NAMES.get(dtype, dtype), shape=shape)


def _macs(model: onnx.ModelProto) -> int:
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except (onnx.shape_inference.InferenceError, ValueError):
        return 0
    shapes = {value.name: tensor_info(value).shape for value in (*graph.input, *graph.output, *graph.value_info)}
    shapes.update({tensor.name: tuple(tensor.dims) for tensor in graph.initializer})
    found = [_node_macs(node, shapes) for node in graph.node if node.op_type in _MULTIPLY]
    return 0 if None in found else sum(filter(None, found))


_MULTIPLY = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm"})


def _node_macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int | None:
    """Products of one node: for each output element, the length of the sum that makes it; None where unknown."""
    sizes = [shapes.get(name, ()) for name in (*node.input[:2], *node.output[:1])]
    if len(sizes) != 3 or not all(size and all(size) for size in sizes):
        return None
    first, second, made = sizes
    match node.op_type:
        case "Conv":
            return prod(made) * prod(second[1:])
        case "ConvTranspose":
            return prod(first) * prod(second[1:])
        case "MatMul":
            return prod(made) * first[-1]
    transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return prod(made) * first[0 if transposed else -1]
