"""What engines are made with, in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import uv

from edgekit.executor import Executor
from edgekit.executor.local import LocalExecutor
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.devices import Builders, no_builders
from edgekit.host.engine.rknn.toolkit import Toolkits
from edgekit.host.engine.store import EngineStore
from edgekit.host.progress import Progress, Silent

CROSS = Path(__file__).parents[2] / "cross"


def bench_in(
    folder: Path,
    executor: Executor | None = None,
    progress: Progress | None = None,
    builders: Builders | None = None,
) -> EngineBench:
    """A bench without an interpreter for the RKNN toolkit: nothing is fetched."""
    run, shown = executor or LocalExecutor(), progress or Silent()
    toolkits = Toolkits(
        folder=folder / "toolkits",
        locks=CROSS,
        uv=uv.find_uv_bin(),
        python=lambda _minor: None,
        executor=run,
        progress=shown,
    )
    return EngineBench(
        store=EngineStore(folder / "engines"),
        toolkits=toolkits,
        builders=builders or no_builders(),
        executor=run,
        progress=shown,
    )
