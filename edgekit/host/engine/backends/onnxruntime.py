"""Engines for ONNX Runtime on the CPU: the ONNX file itself."""

from __future__ import annotations

from edgekit.errors import EngineError
from edgekit.host.engine.backends import Bench, Engine, ModelSource
from edgekit.schema.manifest import EngineEntry


def compile_model(source: ModelSource, bench: Bench) -> Engine:  # noqa: ARG001  nothing is made
    """Take the model as it is.

    Raises:
        EngineError: the recipe asks for another precision than the model has.
    """
    if source.model.precision != "float32":
        raise EngineError(
            f"models.{source.name}.precision is {source.model.precision}, and engines are float32 for now",
            hint='set precision = "float32"',
        )
    return Engine(
        entry=EngineEntry(
            name=source.name,
            runner="onnxruntime",
            path=f"engines/{source.name}.onnx",
            model_sha256=source.onnx.sha256,
            facts={
                "format": "onnx",
                "opset": str(source.onnx.opset),
                "ir_version": str(source.onnx.ir_version),
                "inputs": ", ".join(map(str, source.onnx.inputs)),
                "outputs": ", ".join(map(str, source.onnx.outputs)),
                "macs": str(source.onnx.macs),
            },
        ),
        file=source.path,
    )
