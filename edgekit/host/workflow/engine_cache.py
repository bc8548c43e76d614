"""Looks after the engines that were compiled on this machine, and at engine files from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError, NothingSelected
from edgekit.executor import Executor
from edgekit.executor.limits import RunLimits
from edgekit.host.engine.bench import INSPECTION
from edgekit.host.engine.inspection.asking import inspect_file
from edgekit.host.engine.record import EngineRecord
from edgekit.host.engine.store import CachedEngine, EngineStore
from edgekit.host.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedEngine:
    """An engine of the cache, as it lies there now."""

    path: str
    """The file that was asked for."""
    engine: CachedEngine
    fault: str
    """What is wrong with it; empty where it is what was verified."""


def engine_store(settings: Settings) -> EngineStore:
    """The cache of engines."""
    return EngineStore(settings.cache_dir)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFile:
    """A file's facts, and how it was made."""

    kind: str
    """`rknn`, `tensorrt`, `onnx`."""
    facts: dict[str, str]
    record: EngineRecord | None
    """None where it was not made here."""


def show_engine(file: Path, settings: Settings, executor: Executor, limits: RunLimits = INSPECTION) -> ShownFile:
    """What a file says of itself, and how it was made where that was here.

    Args:
        file: whatever it is.
        settings: the user's.
        executor: this machine, which starts the child that reads the file.
        limits: for that child.

    Raises:
        InputError: it is no engine or model, or cannot be read.
        EngineError: reading it takes too much time or memory.
    """
    found = inspect_file(file, executor, limits)
    if found.fault:
        raise InputError(f"{file}: {found.fault}", hint="give an .rknn or TensorRT engine or an ONNX model, whole")
    cached = engine_store(settings).find_by_file(file) if found.kind != "onnx" else None
    return ShownFile(kind=found.kind, facts=found.facts, record=cached.record if cached else None)


def verify_engines(files: Sequence[Path], settings: Settings) -> tuple[CheckedEngine, ...]:
    """Check that engines are what was verified when they were made.

    Args:
        files: engines; none: all of the cache.
        settings: the user's.

    Raises:
        NothingSelected: a file is not there, or was not compiled here.
    """
    store = engine_store(settings)
    chosen = {str(file): _find(file, store) for file in files} or {str(one.file): one for one in store.list()}
    return tuple(CheckedEngine(path=path, engine=one, fault=store.check(one)) for path, one in chosen.items())


def _find(file: Path, store: EngineStore) -> CachedEngine:
    if not file.is_file():
        raise NothingSelected(
            f"there is no file {file}", hint="name engine files; without any, all in the cache are checked"
        )
    found = store.find_by_file(file)
    if found is None:
        raise NothingSelected(f"{file} was not compiled here", hint="edgekit engine show tells what it says of itself")
    return found
