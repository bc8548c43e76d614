"""ONNX Runtime on the CPU: every board has it, and the host."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.device.runner.contract import expected_shape
from edgekit.device.runner.optimised import Optimised
from edgekit.errors import InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract

_ERRORS_ONLY = 3
_PROVIDERS = ["CPUExecutionProvider"]
_DTYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}


def load(engine: EnginePlan, path: Path, *, cache: Path | None = None) -> OnnxRunner:
    """Load an ONNX file.

    Args:
        engine: its plan.
        path: the file.
        cache: folder that keeps what this CPU's optimiser made of it, so that the next start is faster.

    Raises:
        InputError: it cannot be loaded, or its input is not what the contract says.
    """
    session = open_session(engine, path, cache)
    return OnnxRunner(session, _checked_input(session, engine.input, path.name))


def open_session(engine: EnginePlan, path: Path, cache: Path | None) -> Any:
    """A session with the threads of an engine's plan, whatever the model takes. Raises InputError."""
    optimised = Optimised(cache, path) if cache is not None else None
    session = optimised.load(_options(engine, optimise=False)) if optimised else None
    if session is None:
        try:
            session = _session(path, _options(engine, optimise=True), optimised)
        except Exception as error:  # onnxruntime's errors share no class of their own
            told = f"engine {path.name} cannot be loaded: {error}"
            raise InputError(told, hint="build the release again") from error
    return session


def _session(path: Path, options: Any, optimised: Optimised | None) -> Any:
    """A session; what the optimiser made is kept, unless there is no place for it."""
    if optimised is not None:
        with contextlib.suppress(Exception), optimised.writing() as aside:
            options.optimized_model_filepath = str(aside)
            return ort.InferenceSession(str(path), options, providers=_PROVIDERS)
        options.optimized_model_filepath = ""
    return ort.InferenceSession(str(path), options, providers=_PROVIDERS)


def _options(engine: EnginePlan, *, optimise: bool) -> Any:
    """One pool of exactly `threads` threads, the caller among them; the others run where its lanes do."""
    options = ort.SessionOptions()
    threads = max(1, engine.threads)
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    # A thread that spins while it waits takes a core from the other lanes.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads > 1 and engine.cpus and set(engine.cpus) <= os.sched_getaffinity(0):
        # The pool is made before lanes are pinned, so that it inherits nothing from them. Processors count from 1.
        # Source: ONNX Runtime, onnxruntime_session_options_config_keys.h, session.intra_op_thread_affinities.
        group = ",".join(str(cpu + 1) for cpu in engine.cpus)
        options.add_session_config_entry("session.intra_op_thread_affinities", ";".join([group] * (threads - 1)))
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
