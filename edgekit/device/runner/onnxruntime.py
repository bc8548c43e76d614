"""ONNX Runtime on the CPU: every board has it, and the host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.device.runner.contract import expected_shape
from edgekit.errors import InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract

_ERRORS_ONLY = 3
_DTYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}


def load(engine: EnginePlan, path: Path) -> OnnxRunner:
    """Load an ONNX file.

    Raises:
        InputError: it cannot be loaded, or its input is not what the contract says.
    """
    try:
        session = ort.InferenceSession(str(path), _options(engine.threads), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise InputError(f"engine {path.name} cannot be loaded: {error}", hint="build the release again") from error
    return OnnxRunner(session, _checked_input(session, engine.input, path.name))


def _options(threads: int) -> Any:
    """One pool of exactly `threads` threads, the caller among them; the others inherit the caller's affinity."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    # A thread that spins while it waits takes a core from the other lanes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _checked_input(session: Any, contract: ColourContract, name: str) -> str:
    """The input's name, once shape and dtype are known to be the contract's."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise _mismatch(f"engine {name} has {len(inputs)} inputs, a pipeline gives it one")
    found = inputs[0]
    expected = expected_shape(contract)
    fits = len(found.shape) == len(expected) and all(
        not isinstance(size, int) or size == wanted for size, wanted in zip(found.shape, expected, strict=True)
    )
    if not fits or found.type != _DTYPES[contract.dtype]:
        raise _mismatch(
            f"engine {name} takes {found.type} {list(found.shape)} as {found.name!r}, "
            f"its contract says {_DTYPES[contract.dtype]} {list(expected)}"
        )
    return str(found.name)


def _mismatch(message: str) -> InputError:
    return InputError(message, hint="correct models.<name>.input in recipe.toml, or export the model again")


class OnnxRunner:
    """A loaded ONNX model. See `edgekit.device.runner.Runner`."""

    def __init__(self, session: Any, input_name: str) -> None:
        self._session = session
        self._input = input_name
        self._outputs = [output.name for output in session.get_outputs()]

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
        """See `Runner.infer`."""
        return dict(zip(self._outputs, self._session.run(self._outputs, {self._input: tensor}), strict=True))

    def close(self) -> None:
        """See `Runner.close`."""
        self._session = None
