"""Runs the float model: ONNX Runtime on this machine, with one thread, so that answers are the same each time."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.errors import EngineError
from edgekit.host.engine.model.answers import Answers
from edgekit.host.engine.model.runtime_words import runtime_words
from edgekit.schema.onnxruntime_options import EXACT_INT8

_ERRORS_ONLY = 3
_MOST_RUN_S = 600.0
"""Of time, for one frame: far more than any model takes that a board runs."""
_TOO_LARGE = ("Failed to allocate memory", "storage size overflowed", "bad_alloc")
"""What ONNX Runtime says where a tensor finds no room."""
_Answers = dict[str, npt.NDArray[np.generic]]
_NONE: Answers = MappingProxyType({})


def answers_of(path: Path, tensor: npt.NDArray[np.generic]) -> _Answers:
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


def answers_of_bytes(model: bytes, tensor: npt.NDArray[np.generic], path: Path) -> _Answers:
    """The same of a model in memory; `path` is what it was made of, for messages."""
    return _run(model, tensor, path)


def run_through(model: bytes, frames: Iterable[npt.NDArray[np.generic]], path: Path, others: Answers = _NONE) -> None:
    """Run a model in memory once a frame, and keep nothing of what it answers. Raises as `answers_of`.

    Args:
        model: takes the frame as the one input that `others` does not name.
        frames: one after the other; what they are does not matter where there is no such input.
        path: of the model, for messages.
        others: its other inputs, the same each time.
    """
    session = _session(model, path)
    names = [value.name for value in session.get_inputs() if value.name not in others]
    for frame in frames:
        try:
            run_once(session, None, {**{name: repeated(frame, session) for name in names}, **others})
        except Exception as error:  # onnxruntime's errors share no class of their own
            raise _cannot(path, error) from error


def answers_with(path: Path, tensors: Iterable[str], frames: npt.NDArray[np.generic]) -> _Answers:
    """The same with inner tensors of the model among the outputs, of any type; inputs and constants too."""
    model = onnx.load(path)
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in known)
    return answers_of_bytes(model.SerializeToString(), frames, path)


def run_on(path: Path, inputs: Answers) -> _Answers:
    """Run a model with several inputs once a frame: each is [frames, ...], reshaped to what the model takes."""
    session = _session(str(path), path)
    names = [output.name for output in session.get_outputs()]
    shapes = {value.name: value.shape for value in session.get_inputs()}
    found = []
    for index in range(len(next(iter(inputs.values())))):
        given = {name: array[index].reshape(shapes[name]).astype(np.float32) for name, array in inputs.items()}
        try:
            found.append(run_once(session, names, given))
        except Exception as error:  # onnxruntime's errors share no class of their own
            raise _cannot(path, error) from error
    return _stacked(names, found, path)


def time_on(path: Path, inputs: Answers, runs: int) -> float:
    """Milliseconds of one run on the first frame: the median of several, after one that does not count."""
    session = _session(str(path), path)
    given = {name: np.ascontiguousarray(array[0], np.float32) for name, array in inputs.items()}
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        session.run(None, given)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:]) * 1000


def open_session(model: str | bytes, *, optimised: bool = True) -> Any:
    """ONNX Runtime's session of a model, by its path or its bytes: on the CPU, one thread, and it prints errors alone.

    Raises what ONNX Runtime raises, whose errors share no class of their own.
    """
    options = ort.SessionOptions()
    options.add_session_config_entry(*EXACT_INT8)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_once(
    session: Any, names: list[str] | None, given: _Answers, *, most_s: float = _MOST_RUN_S
) -> list[npt.NDArray[np.generic]]:
    """Run a session on one frame, and no longer than that: a loop goes on for ever on values that suit it.

    Raises:
        TimeoutError: it takes longer. Beside it, what ONNX Runtime raises.
    """
    options = ort.RunOptions()
    timer = threading.Timer(most_s, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        answers: list[npt.NDArray[np.generic]] = session.run(names, given, options)
    except Exception:  # onnxruntime's errors share no class of their own
        if options.terminate:
            raise TimeoutError(f"one picture takes longer than {most_s:g} s") from None
        raise
    finally:
        timer.cancel()
    return answers


def check_loads(model: bytes, path: Path) -> None:
    """Check that ONNX Runtime takes a model that was made of the file at `path`. Raises EngineError with the node."""
    try:
        open_session(model, optimised=False)
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise EngineError(
            f"{path}: ONNX Runtime {ort.__version__} cannot run it: {runtime_words(error)}",
            hint="replace that operator, or export the model again",
        ) from None


def _session(model: str | bytes, path: Path) -> Any:
    try:
        return open_session(model)
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise _cannot(path, error) from error


def _run(model: str | bytes, tensor: npt.NDArray[np.generic], path: Path) -> _Answers:
    session = _session(model, path)
    name = session.get_inputs()[0].name
    names = [output.name for output in session.get_outputs()]
    try:
        found = [run_once(session, names, {name: repeated(frame, session)}) for frame in tensor]
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise _cannot(path, error) from error
    return _stacked(names, found, path)


def repeated(frame: npt.NDArray[np.generic], session: Any) -> npt.NDArray[np.generic]:
    """A frame as often as a session's one input takes it at once: [batch, ...]."""
    shape = session.get_inputs()[0].shape
    batch = shape[0] if shape and isinstance(shape[0], int) else 1
    return np.repeat(frame[None], max(1, batch), axis=0)


def _stacked(names: list[str], found: list[list[Any]], path: Path) -> _Answers:
    """Answers of all frames as one array an output, which must have one size on all of them."""
    answers = {}
    for index, name in enumerate(names):
        arrays = [np.asarray(answer[index]) for answer in found]
        sizes = dict.fromkeys(str(list(array.shape)) for array in arrays)
        if len(sizes) > 1:
            raise EngineError(
                f"{path}: output {name} has another size on each picture, such as {' and '.join([*sizes][:2])}: "
                "no engine can be verified by it",
                hint="end the model before what decides the size (NonMaxSuppression, NonZero), and do that in app/",
            )
        answers[name] = np.stack(arrays)
    return answers


def _cannot(path: Path, error: Exception) -> EngineError:
    words = runtime_words(error)
    hint = "export it again"
    if isinstance(error, TimeoutError):
        hint = "end the model before its loops, or export it for smaller pictures"
    elif any(word in words for word in _TOO_LARGE):
        hint = "end the model before that node, or export it for smaller pictures"
    return EngineError(f"{path} cannot be run: {words}", hint=hint, details=str(error))
