"""Optimises a graph with ONNX Runtime for the very CPU that runs this."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.device.builder import Note
from edgekit.errors import EngineError
from edgekit.schema.building import BuildAnswer, BuildRequest
from edgekit.schema.onnxruntime_options import EXACT_INT8

_ERRORS_ONLY = 3


def build(request: BuildRequest, folder: Path, note: Note) -> BuildAnswer:
    """Write the optimised model. Its layouts and fused operators are those of this CPU: other machines may refuse it.

    Raises:
        EngineError: ONNX Runtime cannot read the model.
    """
    note("optimising the graph")
    options = ort.SessionOptions()
    options.add_session_config_entry(*EXACT_INT8)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(folder / request.engine)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        ort.InferenceSession(str(folder / request.model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise EngineError(
            f"ONNX Runtime {ort.__version__} cannot read {request.model}", hint="export it again", details=str(error)
        ) from error
    return BuildAnswer(toolkit=str(ort.__version__))
