"""Static int8 quantisation into Q/DQ nodes by ONNX Runtime: for its own CPU kernels, and for TensorRT."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (  # type: ignore[import-untyped]
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from edgekit.errors import EngineError
from edgekit.host.engine.model.graph import computed_from
from edgekit.host.own_folder import temporary_folder
from edgekit.schema.recipe import Quantisation

Style = Literal["cpu", "tensorrt"]
_METHODS = {
    "normal": CalibrationMethod.MinMax,
    "kl_divergence": CalibrationMethod.Entropy,
    "mmse": CalibrationMethod.MinMax,  # there is none; percentiles cut off the peaks that detectors live by
}
_MIN_OPSET = 13
"""Per-channel Q/DQ came with it. Source: ONNX, operator QuantizeLinear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantised:
    """A model with ranges in it."""

    model: bytes
    notes: tuple[str, ...]
    """What its user should know."""


def describe_quantisation(quantisation: Quantisation) -> str:
    """For the manifest: `mmse, channel`."""
    return f"{quantisation.method}, {'channel' if quantisation.per_channel else 'layer'}"


def quantise(path: Path, tensors: npt.NDArray[np.generic], quantisation: Quantisation, style: Style) -> Quantised:
    """Find ranges, and write them into the model. The same inputs give the same bytes.

    Args:
        path: a float32 ONNX model with one input.
        tensors: calibration, [frames, ...]; the model takes one at a time.
        quantisation: the recipe's.
        style: `cpu`: uint8 activations, which x86 and ARM have the fastest kernels for; `tensorrt`: symmetric int8
            throughout and biases left float, all that its parser takes.

    Raises:
        EngineError: ONNX Runtime cannot quantise it.
    """
    try:
        with temporary_folder("edgekit-quantise-") as folder, _silence():
            made = _quantise(path, tensors, quantisation, style, Path(folder))
    except Exception as error:  # the quantiser's errors share no class of their own
        raise EngineError(
            f"{path} cannot be quantised to int8", hint="export it again, or take a float precision", details=str(error)
        ) from error
    note = "ranges by least and largest value: ONNX Runtime has no mmse"
    return Quantised(model=made, notes=(note,) if quantisation.method == "mmse" else ())


def _quantise(
    path: Path, tensors: npt.NDArray[np.generic], quantisation: Quantisation, style: Style, folder: Path
) -> bytes:
    plain, prepared, made = (folder / f"{name}.onnx" for name in ("plain", "prepared", "made"))
    model = _named(onnx.load(path))
    floating = set(computed_from(model, quantisation.keep_float))
    taken = next(value for value in model.graph.input if value.name not in _weights(model))
    batch = max(1, taken.type.tensor_type.shape.dim[0].dim_value)
    onnx.save(model, plain)
    quant_pre_process(plain, prepared, skip_symbolic_shape=True)
    excluded = [node.name for node in onnx.load(prepared).graph.node if floating & set(node.output)]
    tensorrt = style == "tensorrt"
    options: dict[str, Any] = {}
    if tensorrt:
        options |= {"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False}
    quantize_static(
        prepared,
        made,
        _Reader(taken.name, batch, tensors),
        quant_format=QuantFormat.QDQ,
        per_channel=quantisation.per_channel,
        activation_type=QuantType.QInt8 if tensorrt else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=excluded,
        calibrate_method=_METHODS[quantisation.method],
        extra_options=options,
    )
    return bytes(onnx.load(made).SerializeToString(deterministic=True))


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Gives one frame after the other."""

    def __init__(self, name: str, batch: int, tensors: npt.NDArray[np.generic]) -> None:
        self._frames = iter([{name: np.repeat(frame[None], batch, axis=0)} for frame in tensors])

    def get_next(self) -> dict[str, npt.NDArray[np.generic]] | None:
        """The next one; None at the end."""
        return next(self._frames, None)


def _named(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give every node a name, and the model an operator set with per-channel Q/DQ."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < _MIN_OPSET:
        model = onnx.version_converter.convert_version(model, _MIN_OPSET)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"node{index}"
    return model


def _weights(model: onnx.ModelProto) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer}


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Silence the quantiser, which logs to the root logger and prints."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
