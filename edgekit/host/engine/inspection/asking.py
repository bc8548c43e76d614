"""Starts a child that inspects a file, and turns each way in which it may end into an answer or a sentence."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EngineError, InputError
from edgekit.executor import Executor
from edgekit.executor.limits import LimitedRun, RunLimits, memory_over, run_limited
from edgekit.host.engine.files.facts import FileFacts
from edgekit.host.engine.inspection.messages import (
    DOING,
    NO_MEMORY,
    REPLY,
    REQUEST,
    EngineQuestion,
    InspectionReply,
    InspectionRequest,
)
from edgekit.host.engine.model.network import NetworkFile
from edgekit.host.engine.model.onnx_model import OnnxModel
from edgekit.host.engine.reading import MAX_MODEL_BYTES, open_file, read_bounded
from edgekit.host.own_folder import temporary_folder
from edgekit.schema.reader import from_json, to_json

CHILD = "edgekit.host.engine.inspection.child"
MAX_REPLY_BYTES = 4 << 20
_MAX_DOING_BYTES = 1 << 16
_TIMES = 12
"""How often a model lies in memory at most: read, parsed, rewritten, written, and again in ONNX and its runtime."""
_BYTES_A_SECOND = 16 << 20
_RUN_S = 5
"""Of processor time, for one more picture. A model that boards run takes a second of it, by one thread."""
_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"), "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildAnswer:
    """What a child has found, and the folder with the files that it left; it goes when the answer is left."""

    reply: InspectionReply
    folder: Path


@contextmanager
def ask_child(request: InspectionRequest, limits: RunLimits, executor: Executor) -> Iterator[ChildAnswer]:
    """Have a file inspected.

    Args:
        request: what is asked.
        limits: for the child.
        executor: this machine.

    Raises:
        EngineError: the file is no model that can be used, or has the child exceed its limits.
        InputError: a picture or the file cannot be read.
    """
    with temporary_folder("edgekit-inspection-") as folder:
        (folder / REQUEST).write_bytes(to_json(request))
        run = run_limited(executor, [sys.executable, "-I", "-m", CHILD, str(folder)], limits, env=_ENVIRONMENT)
        if run.returncode != 0:
            raise _ended(folder, run, limits)
        data = read_bounded(folder / REPLY, MAX_REPLY_BYTES)
        reply = from_json(InspectionReply, data, "the inspection's reply")
        if reply.failure is not None:
            kind = InputError if reply.failure.input else EngineError
            raise kind(reply.failure.message, hint=reply.failure.hint, details=reply.failure.details)
        yield ChildAnswer(reply=reply, folder=folder)


def inspect_file(file: Path, executor: Executor, limits: RunLimits) -> FileFacts:
    """Have a file described, whatever it holds. Raises as `ask_child`."""
    size = file.stat().st_size if file.is_file() else 0
    request = InspectionRequest(file=str(file))
    with ask_child(request, limits_for(limits, min(size, MAX_MODEL_BYTES)), executor) as answer:
        assert answer.reply.file is not None, "the child replies to what it is asked"
        return answer.reply.file


def inspect_network(file: Path, executor: Executor, limits: RunLimits) -> NetworkFile:
    """Have a user's ONNX file described, for which there is no recipe yet.

    Raises:
        EngineError: it is no valid model, or has the child exceed its limits.
        InputError: it cannot be read.
    """
    with open_file(file) as stream:
        size = os.fstat(stream.fileno()).st_size
    request = InspectionRequest(network=str(file))
    with ask_child(request, limits_for(limits, min(size, MAX_MODEL_BYTES)), executor) as answer:
        assert answer.reply.network is not None, "the child replies to what it is asked"
        return answer.reply.network


def inspect_engine(engine: bytes, model: OnnxModel, executor: Executor, limits: RunLimits) -> None:
    """Have an ONNX file that a builder device sent held against the model that it has to be made from.

    Raises:
        EngineError: it is something else, or has the child exceed its limits.
    """
    with temporary_folder("edgekit-engine-") as folder:
        file = folder / "engine.onnx"
        file.write_bytes(engine)
        request = InspectionRequest(engine=EngineQuestion(file=str(file), model=model))
        with ask_child(request, limits_for(limits, len(engine)), executor):
            pass


def limits_for(limits: RunLimits, model_bytes: int, pictures: int = 0, runs: int = 0) -> RunLimits:
    """What the child may use for a model of a size, and no more memory than there is.

    Args:
        limits: for a small one.
        model_bytes: of the model with what lies beside it.
        pictures: how many are read.
        runs: how many it is run on, beside the first.
    """
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cpu_s = limits.cpu_s + model_bytes // _BYTES_A_SECOND + pictures + _RUN_S * runs
    return dataclasses.replace(
        limits,
        memory_bytes=min(limits.memory_bytes + _TIMES * model_bytes, machine_bytes),
        cpu_s=cpu_s,
        wall_s=max(limits.wall_s, 10.0 * cpu_s),
    )


def _ended(folder: Path, run: LimitedRun, limits: RunLimits) -> EngineError:
    """The error of a child that left no reply."""
    doing = read_bounded(folder / DOING, _MAX_DOING_BYTES).decode(errors="replace") if (folder / DOING).exists() else ""
    what, _, hint = doing.strip().rpartition("\n")
    details = run.stderr.decode(errors="replace").strip()
    over = memory_over(limits) if run.returncode == NO_MEMORY else run.over
    if over and what:
        return EngineError(f"{what} {over}", hint=hint, details=details)
    last = details.rpartition("\n")[2] or f"exit code {run.returncode}"
    return EngineError(f"{what or 'inspecting a file'} fails: {last}", hint="report this", details=details)
