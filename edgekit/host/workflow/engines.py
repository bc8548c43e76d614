"""Puts together what engines are made with, and makes them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import uv as uv_package

from edgekit.host.catalogue.recipes import RecipeFolder
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.compile import compile_models
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.rknn.toolkit import Toolkits
from edgekit.host.workflow.builders import builders
from edgekit.host.workflow.engine_cache import engine_store
from edgekit.host.workflow.wheels import finder
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.target import Target


def engine_bench(station: Workstation, builder: str = "") -> EngineBench:
    """What `compile_models` takes. Nothing is fetched, and no device asked, until an engine needs it.

    Args:
        station: this machine.
        builder: a device that compiles what this machine cannot, instead of those that fleet.toml labels for it.
    """
    settings, pythons = station.settings, finder(station)

    def python(minor: str) -> Path | None:
        found = pythons.find(minor)
        return found.path if found else None

    toolkits = Toolkits(
        folder=settings.cache_dir / "toolkits",
        locks=settings.data_dir / "cross",
        uv=uv_package.find_uv_bin(),
        find_links=settings.find_links,
        python=python,
        executor=station.executor,
        progress=station.progress,
    )
    return EngineBench(
        store=engine_store(settings),
        toolkits=toolkits,
        builders=builders(station, builder),
        executor=station.executor,
        progress=station.progress,
    )


def make_engines(folder: RecipeFolder, target: Target, station: Workstation, builder: str = "") -> tuple[Engine, ...]:
    """The recipe's engines for a target, from the cache or compiled. See `compile_models`."""
    return compile_models(folder.recipe, folder.folder, target, engine_bench(station, builder))


def float_engines(folder: RecipeFolder, station: Workstation) -> tuple[Engine, ...]:
    """The recipe's models in float32 for this machine: what engines of another kind are held against."""
    models = {
        name: dataclasses.replace(model, precision="float32", cpu_precision="float32")
        for name, model in folder.recipe.models.items()
    }
    recipe = dataclasses.replace(folder.recipe, models=models)
    host = find_target("host", station.settings)
    return make_engines(dataclasses.replace(folder, recipe=recipe), host, station)
