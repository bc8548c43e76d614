"""What the float model itself answers: ONNX Runtime on this machine, one thread, so that it is the same each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.errors import EngineError

_ERRORS_ONLY = 3


def answers_of(path: Path, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
    """Run a model once a frame.

    Args:
        path: an ONNX model with one input.
        tensor: inputs, [frames, ...]; the model takes one at a time.

    Returns:
        Its outputs by name, [frames, ...].

    Raises:
        EngineError: ONNX Runtime cannot run it.
    """
    return _run(str(path), tensor, path)


def answers_of_bytes(model: bytes, tensor: npt.NDArray[np.generic], path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """The same of a model in memory; `path` is what it was made of, for messages."""
    return _run(model, tensor, path)


def _run(model: str | bytes, tensor: npt.NDArray[np.generic], path: Path) -> dict[str, npt.NDArray[np.generic]]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        names = [output.name for output in session.get_outputs()]
        found = [session.run(names, {name: frame[None]}) for frame in tensor]
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise EngineError(f"{path} cannot be run", hint="export it again", details=str(error)) from error
    return {one: np.stack([np.asarray(answer[index]) for answer in found]) for index, one in enumerate(names)}
