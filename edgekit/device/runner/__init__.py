"""One file per accelerator: how its engines are run. `load` finds the right one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

from edgekit.device.runner.batches import gathering
from edgekit.device.runner.loaded import Runner
from edgekit.errors import EdgekitError, InputError
from edgekit.schema.plan import EnginePlan

__all__ = ["RUNNERS", "Runner", "load"]

RUNNERS: Mapping[str, str] = MappingProxyType(
    {
        "onnxruntime": "edgekit.device.runner.onnxruntime",
        "rknn": "edgekit.device.runner.rknn",
        "tensorrt": "edgekit.device.runner.tensorrt",
    }
)
"""Module of each kind of runner; it has `load(engine, release, *, cache) -> Runner`."""
_TAIL = "edgekit.device.runner.tail"
"""Imported where a plan has a tail alone: a release without one carries no ONNX Runtime for it."""


def load(engine: EnginePlan, release: Path, *, cache: Path | None = None) -> Runner:
    """Load an engine of a release, checked against its contract.

    Args:
        engine: its plan.
        release: the folder that its path is relative to.
        cache: where a runner may keep what makes the next start faster.

    Raises:
        EdgekitError: no runner of that kind here; or the engine cannot be loaded, or does not take what the contract
            says, and its cause says which.
    """
    module = RUNNERS.get(engine.runner)
    if module is None:
        raise InputError(f"no runner for {engine.runner} in this release", hint=f"known: {', '.join(RUNNERS)}")
    loader = importlib.import_module(module)
    try:
        runner = cast(Runner, loader.load(engine, release, cache=cache))
        if engine.tail:
            tail = importlib.import_module(_TAIL)
            runner = cast(Runner, tail.with_tail(runner, engine, release / engine.tail, cache))
        return gathering(runner) if engine.gathers else runner
    except EdgekitError as error:
        error.cause = error.cause or "bad_model"
        raise
