"""ONNX Runtime on the CPU: every board has it, and the host."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.device.runner.loaded import LoadedEngine, Runner, spare_sets
from edgekit.device.runner.optimised import Optimised
from edgekit.device.runner.tensors import (
    OPEN,
    InputBuffers,
    Tensors,
    TensorSpec,
    fixed_inputs,
    picture_name,
    plain_inputs,
)
from edgekit.errors import Cause, EngineError, InputError
from edgekit.schema.onnxruntime_options import EXACT_INT8
from edgekit.schema.plan import EnginePlan

_ERRORS_ONLY = 3
_PROVIDERS = ["CPUExecutionProvider"]
_NEWER = "Unsupported model IR version"
"""Begins what ONNX Runtime says of a model that a newer one wrote. Source: onnxruntime/core/graph/model.cc."""
_HINT = "correct models.<name>.input in recipe.toml, or export the model again"
_DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "tensor(float)": np.dtype(np.float32),
        "tensor(double)": np.dtype(np.float64),
        "tensor(bool)": np.dtype(np.bool_),
        **{
            f"tensor({name})": np.dtype(name)
            for name in ("float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
        },
    }
)
"""Source: ONNX Runtime, the type strings of NodeArg.type."""


def load(engine: EnginePlan, release: Path, *, cache: Path | None = None) -> Runner:
    """Load an ONNX file.

    Args:
        engine: its plan.
        release: the folder that the plan's paths start from.
        cache: folder that keeps what this CPU's optimiser made of it, so that the next start is faster.

    Raises:
        InputError: it cannot be loaded, or its input is not what the contract says.
    """
    return open_runner(engine, release / engine.path, cache=cache)


def open_runner(engine: EnginePlan, path: Path, *, cache: Path | None = None, slots: int = 1) -> Runner:
    """Load an ONNX file.

    Args:
        engine: its plan.
        path: the file.
        cache: see `load`.
        slots: how many inferences may run at the same time; they share one session and its threads.

    Raises:
        InputError: it cannot be loaded, or does not take what its contract says.
    """
    session = open_session(engine, path, cache)
    inputs = fixed_inputs(specs_of(session.get_inputs()), engine, path.name, _HINT)
    outputs = specs_of(session.get_outputs())
    return Runner(
        LoadedEngine(
            inputs=inputs,
            outputs=outputs,
            picture=picture_name(inputs, engine, path.name, _HINT),
            contexts=tuple(SessionContext(session, inputs, outputs) for _ in range(slots)),
            spare=tuple(plain_inputs(inputs) for _ in range(spare_sets(slots))),
            close=lambda: None,
            hint="give the model's lane more CPUs, or take a smaller model",
        )
    )


def open_session(engine: EnginePlan, path: Path, cache: Path | None) -> Any:
    """A session with the threads of an engine's plan, whatever the model takes. Raises InputError."""
    optimised = Optimised(cache, path) if cache is not None else None
    session = optimised.load(_options(engine, optimise=False)) if optimised else None
    if session is None:
        try:
            session = _session(path, _options(engine, optimise=True), optimised)
        except Exception as error:  # onnxruntime's errors share no class of their own
            message = f"engine {path.name} cannot be loaded: {error}"
            cause: Cause = "engine_version" if _NEWER in str(error) else "bad_model"
            raise InputError(message, hint="build the release again", cause=cause) from error
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
    options.add_session_config_entry(*EXACT_INT8)
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


class SessionContext:
    """A session with buffers of its own. It computes on the thread that waits; other contexts may share the session.

    Outputs whose size only the content tells are new arrays after each run.
    """

    def __init__(self, session: Any, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]) -> None:
        self.inputs = plain_inputs(inputs)
        self._session, self._binding = session, session.io_binding()
        self._names = [spec.name for spec in outputs]
        self._outputs = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in outputs if _is_bound(spec)}
        for name in self._names:  # in order: what a binding gives back comes in the order of the first calls
            self._bind_output(name)
        self._bound: dict[str, int] = {}

    def accepts(self, inputs: InputBuffers) -> bool:
        """See `EngineContext.accepts`: whatever lies in memory without gaps."""
        return inputs.is_contiguous

    def start(self, inputs: InputBuffers) -> None:
        """See `EngineContext.start`."""
        for name, array in inputs.arrays.items():
            address = array.ctypes.data
            if self._bound.get(name) != address:
                self._binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, address)
                self._bound[name] = address

    def finish(self) -> Tensors:
        """See `EngineContext.finish`."""
        for name in self._names:
            if name not in self._outputs:
                self._bind_output(name)  # else the size of the last run would be wanted again
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # onnxruntime's errors share no class of their own
            raise EngineError(f"ONNX Runtime failed: {error}", hint="build the release again") from error
        if len(self._outputs) == len(self._names):
            return self._outputs
        made = dict(zip(self._names, self._binding.get_outputs(), strict=True))
        return {name: self._outputs[name] if name in self._outputs else one.numpy() for name, one in made.items()}

    def cancel(self) -> None:
        """See `EngineContext.cancel`: nothing runs."""

    def _bind_output(self, name: str) -> None:
        array = self._outputs.get(name)
        if array is None:
            self._binding.bind_output(name, "cpu")
        else:
            self._binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)


def _is_bound(spec: TensorSpec) -> bool:
    return spec.is_fixed and spec.dtype != np.dtype(object)


def specs_of(values: Any) -> tuple[TensorSpec, ...]:
    """A session's inputs or outputs."""
    return tuple(
        TensorSpec(
            name=str(value.name),
            shape=tuple(size if isinstance(size, int) else OPEN for size in value.shape),
            dtype=_DTYPES.get(value.type, np.dtype(object)),
        )
        for value in values
    )
