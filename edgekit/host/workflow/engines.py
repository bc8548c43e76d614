"""Puts together what engines are made with, and makes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import uv as uv_package

from edgekit.host.catalogue.recipes import RecipeFolder
from edgekit.host.engine.backends import choose_backend
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.devices import NO_BUILDERS, BuilderDevice
from edgekit.host.engine.compile import PlannedEngine, check_devices, make_planned, plan_engines
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.rknn.toolkit import PYTHON, Toolkits
from edgekit.host.engine.store import EngineStore
from edgekit.host.workflow.builders import equip_builders, find_builders
from edgekit.host.workflow.wheels import finder
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.target import Target


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineWork:
    """The engines of a recipe for a target: which are in the cache is known, and that the others can be made."""

    target: Target
    bench: EngineBench
    planned: tuple[PlannedEngine, ...]
    devices: tuple[BuilderDevice, ...]
    """May be asked to compile; none where no engine needs one."""


NOTHING_KEPT: Mapping[str, Engine] = {}


def plan_engine_work(
    folder: RecipeFolder,
    target: Target,
    station: Workstation,
    builder: str = "",
    kept: Mapping[str, Engine] = NOTHING_KEPT,
) -> EngineWork:
    """Prepare a recipe's models, look for their engines in the cache, and for devices where one is missing.

    Args:
        folder: the recipe.
        target: what the engines are for.
        station: this machine.
        builder: device that compiles what this machine cannot; empty: those that fleet.toml labels for it.
        kept: engines by name that are taken as they are, in the place of those that only a device could compile.

    Raises:
        EngineError: a model cannot become an engine, or takes a device that nobody has named.
        NothingSelected: there is no device of that name.
    """
    bench = engine_bench(station, target)
    found = plan_engines(folder.recipe, folder.folder, target, bench)
    planned = tuple(_kept(one, kept) for one in found)
    devices = find_builders(station, target, builder) if any(one.needs_device for one in planned) else ()
    check_devices(planned, devices)
    return EngineWork(target=target, bench=bench, planned=planned, devices=devices)


def _kept(planned: PlannedEngine, kept: Mapping[str, Engine]) -> PlannedEngine:
    if planned.needs_device and planned.source.name in kept:
        tail = planned.source.tail.file if planned.source.tail else None
        engine = dataclasses.replace(kept[planned.source.name], tail=tail)
        return dataclasses.replace(planned, kept=engine, needs_device=False)
    return planned


def do_engine_work(work: EngineWork, station: Workstation) -> tuple[Engine, ...]:
    """Take engines from the cache, or compile them.

    Raises:
        EngineError: a model cannot be compiled, or its engine does not agree with it.
        LockHeld: all builder devices are taken.
        Unreachable: the link to a builder device broke.
    """
    builders = NO_BUILDERS
    if work.devices:
        builders = equip_builders(work.devices, station, work.target, choose_backend(work.target))
    return make_planned(work.planned, work.bench, builders)


def make_engines(folder: RecipeFolder, target: Target, station: Workstation) -> tuple[Engine, ...]:
    """The recipe's engines for a target, from the cache or compiled. Raises as the steps."""
    return do_engine_work(plan_engine_work(folder, target, station), station)


def engine_bench(station: Workstation, target: Target) -> EngineBench:
    """What engines for a target are made with on this machine. Nothing is fetched until an engine needs it."""
    settings = station.settings
    python = finder(station).find(PYTHON) if choose_backend(target) == "rknn" else None
    toolkits = Toolkits(
        folder=settings.cache_dir / "toolkits",
        locks=settings.data_dir / "cross",
        uv=uv_package.find_uv_bin(),
        find_links=settings.find_links,
        python=python.path if python else None,
        executor=station.executor,
        sandbox=station.sandbox,
        progress=station.progress,
    )
    return EngineBench(
        store=EngineStore(settings.cache_dir, station.progress),
        toolkits=toolkits,
        executor=station.executor,
        sandbox=station.sandbox,
        progress=station.progress,
    )


def float_engines(folder: RecipeFolder, host: Target, station: Workstation) -> tuple[Engine, ...]:
    """The recipe's models in float32 for `host`, this machine: what engines of another kind are held against."""
    models = {
        name: dataclasses.replace(model, precision="float32", cpu_precision="float32")
        for name, model in folder.recipe.models.items()
    }
    recipe = dataclasses.replace(folder.recipe, models=models)
    return make_engines(dataclasses.replace(folder, recipe=recipe), host, station)
