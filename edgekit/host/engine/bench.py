"""What engines are made with on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.executor import Executor
from edgekit.host.engine.rknn.toolkit import Toolkits
from edgekit.host.engine.store import EngineStore
from edgekit.host.progress import Progress
from edgekit.host.sandbox.sandbox import Sandbox


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
