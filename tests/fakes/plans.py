"""Small plans for the worker, without a board."""

from __future__ import annotations

from collections.abc import Mapping

from edgekit.schema.plan import EnginePlan, LanePlan, LimitsPlan, StagePlan, WorkerPlan
from edgekit.schema.recipe import Golden, Health
from edgekit.schema.sink import RecipeSink
from edgekit.schema.source import RecipeSource


def python_stage(name: str, entry: str, engine: str = "", **options: object) -> StagePlan:
    """A stage of a recipe's own code."""
    return StagePlan(name=name, kind="python", lane="all", engine=engine, entry=entry, options=options)


def small_plan(
    *stages: StagePlan,
    engines: Mapping[str, EnginePlan] | None = None,
    sources: Mapping[str, RecipeSource] | None = None,
    sinks: Mapping[str, RecipeSink] | None = None,
    lanes: Mapping[str, LanePlan] | None = None,
    golden: Golden | None = None,
) -> WorkerPlan:
    """A plan with code of its own and nothing that it need not have."""
    return WorkerPlan(
        application="line",
        version="1.0.0",
        target="rk3588-debian12",
        python_path="python3",
        site="site",
        app="app",
        engines=dict(engines or {}),
        sources=dict(sources or {}),
        stages=stages,
        sinks=dict(sinks or {}),
        lanes=dict(lanes or {}),
        limits=LimitsPlan(memory_max=0, memory_high=0, cpuset_cpus=(), pids_max=1, advisory=True),
        health=Health(),
        golden=golden,
    )
