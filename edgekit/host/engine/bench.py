"""What engines are made with on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.executor import Executor
from edgekit.executor.limits import RunLimits
from edgekit.host.engine.reading import MAX_MODEL_BYTES
from edgekit.host.engine.rknn.toolkit import Toolkits
from edgekit.host.engine.store import EngineStore
from edgekit.host.progress import Progress
from edgekit.host.sandbox.sandbox import Sandbox

INSPECTION = RunLimits(memory_bytes=8 << 30, cpu_s=60, wall_s=600.0, file_bytes=MAX_MODEL_BYTES)
"""For a child that reads a small model and runs it once. What boards run takes a tenth of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineBench:
    """What engines are made with."""

    store: EngineStore
    toolkits: Toolkits
    """RKNN's, made when the first engine needs one."""
    executor: Executor
    sandbox: Sandbox
    """For the vendors' compilers."""
    progress: Progress
    limits: RunLimits = INSPECTION
    """Of the child that inspects a small model."""
