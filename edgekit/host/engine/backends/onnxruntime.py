"""Engines for ONNX Runtime on the CPU: the ONNX file itself."""

from __future__ import annotations

from edgekit.host.engine.backends import Bench, Engine, ModelSource
from edgekit.schema.manifest import EngineEntry


def compile_model(source: ModelSource, bench: Bench) -> Engine:  # noqa: ARG001  nothing is made
    """Take the model as it is, float32: a lower precision is what an accelerator makes of it."""
    precision = source.model.precision
    told = (f"{source.name}: float32 on the CPU, {precision} is for accelerators",) if precision != "float32" else ()
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
        notes=told,
    )
