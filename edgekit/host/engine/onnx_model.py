"""Reads an ONNX file and tells what can be known of it without running it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from edgekit.errors import EngineError
from edgekit.host.engine.faults import find_faults
from edgekit.trust import sha256_bytes

_MAX_MODEL_BYTES = 2 << 30
"""Source: protobuf, a message is smaller than 2 GiB."""
_FIXED = "export the model with fixed input sizes and a batch of 1"


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
    bytes: int
    opset: int
    ir_version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    macs: int
    """Multiply-accumulates of convolutions and matrix products; 0 where sizes are not known."""


def read_onnx(path: Path) -> OnnxModel:
    """Read and check an ONNX file.

    Raises:
        EngineError: not ONNX, not a valid model, or its weights lie in other files.
    """
    if path.stat().st_size >= _MAX_MODEL_BYTES:
        raise EngineError(f"{path} is larger than 2 GiB", hint="take a smaller model")
    data = path.read_bytes()
    model = _load(path, data)
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    return OnnxModel(
        sha256=sha256_bytes(data),
        bytes=len(data),
        opset=max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0),
        ir_version=model.ir_version,
        inputs=tuple(_tensor(value) for value in graph.input if value.name not in weights),
        outputs=tuple(_tensor(value) for value in graph.output),
        macs=_macs(model),
    )


def _load(path: Path, data: bytes) -> onnx.ModelProto:
    if not data:
        raise EngineError(f"{path} is empty", hint="export it again")
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        told = f"{path} is no ONNX model: another kind of file, or cut short"
        raise EngineError(told, hint="export it again", details=str(error)) from None
    if not model.HasField("graph"):
        raise EngineError(f"{path} is no ONNX model: there is no graph in it", hint="export it again")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise EngineError(f"{path} keeps its weights in other files", hint="save it as one file: onnx.save_model")
    faults = find_faults(model)
    if faults:
        raise EngineError(f"{path}: {faults[0]}", hint="export the model again", details="\n".join(faults))
    return model


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    found = value.type.tensor_type
    dtype = onnx.TensorProto.DataType.Name(found.elem_type).lower()
    shape = tuple(size.dim_value for size in found.shape.dim)
    return Tensor(name=value.name, dtype={"float": "float32"}.get(dtype, dtype), shape=shape)


def _macs(model: onnx.ModelProto) -> int:
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except onnx.shape_inference.InferenceError:
        return 0
    shapes = {value.name: _tensor(value).shape for value in (*graph.input, *graph.output, *graph.value_info)}
    shapes.update({tensor.name: tuple(tensor.dims) for tensor in graph.initializer})
    return sum(_node_macs(node, shapes) for node in graph.node)


def _node_macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    """Products of one node: for each output element, the length of the sum that makes it."""
    sizes = [shapes.get(name, ()) for name in (*node.input[:2], *node.output[:1])]
    if len(sizes) != 3 or not all(sizes):
        return 0
    first, second, made = sizes
    match node.op_type:
        case "Conv":
            return prod(made) * prod(second[1:])
        case "ConvTranspose":
            return prod(first) * prod(second[1:])
        case "MatMul":
            return prod(made) * first[-1]
        case "Gemm":
            transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            return prod(made) * first[0 if transposed else -1]
    return 0


def check_fixed(path: Path, tensor: Tensor) -> None:
    """Raise EngineError unless every size of an input is known before it runs."""
    if not tensor.shape or 0 in tensor.shape:
        raise EngineError(f"{path}: input {tensor} has no fixed size", hint=_FIXED)
