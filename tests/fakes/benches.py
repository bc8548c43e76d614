"""What engines are made with, in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import uv

from edgekit.executor import Executor
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.devices import NO_BUILDERS, Builders
from edgekit.host.engine.compile import make_planned, plan_engines, plan_source
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.rknn.toolkit import Toolkits
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.store import EngineStore
from edgekit.host.progress import Progress, Silent
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import Target
from tests.fakes.inspection import InProcess

CROSS = Path(__file__).parents[2] / "cross"


def bench_in(
    folder: Path,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> EngineBench:
    """A bench without an interpreter for the RKNN toolkit: nothing is fetched. Models are inspected in this process."""
    run, shown = executor or InProcess(), progress or Silent()
    sandbox = Sandbox(run, shown)
    toolkits = Toolkits(
        folder=folder / "toolkits",
        locks=CROSS,
        uv=uv.find_uv_bin(),
        python=None,
        executor=run,
        sandbox=sandbox,
        progress=shown,
    )
    return EngineBench(
        store=EngineStore(folder),
        toolkits=toolkits,
        executor=run,
        sandbox=sandbox,
        progress=shown,
    )


def compile_models(recipe: Recipe, folder: Path, target: Target, bench: EngineBench) -> tuple[Engine, ...]:
    """Every engine of a recipe, for a target that needs no builder device."""
    return make_planned(plan_engines(recipe, folder, target, bench), bench)


def compile_source(source: ModelSource, bench: EngineBench, builders: Builders = NO_BUILDERS) -> Engine:
    """The engine of one model that is prepared already."""
    (engine,) = make_planned([plan_source(source, bench)], bench, builders)
    return engine
