"""Gets wheels for a board, and locks a recipe's."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.cache_users import using
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.wheel.collect import Collected, How, collect
from edgekit.host.wheel.given import lines_of
from edgekit.host.wheel.needs import wanted_for
from edgekit.host.wheel.resolve import resolve
from edgekit.host.workflow.site import runners_for
from edgekit.host.workflow.wheels import WheelTools, lock_file, lock_files
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import WheelEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelChoice:
    """How wheels may be had, and where they go."""

    out: Path
    binary: bool = True
    """An index's wheel will do."""
    again: bool = False
    """Build even what the cache has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedWheel:
    """One wheel that was asked for."""

    path: Path
    """Where it was put."""
    wheel: Collected
    seconds: float


def build_wheels(
    requirements: Sequence[str], target: str, choice: WheelChoice, station: Workstation
) -> tuple[CollectedWheel, ...]:
    """Get wheels that a target can load, one after the other: an index's where one fits, else cross-built.

    Args:
        requirements: as pip reads them, lists (`-r FILE`) among them.
        target: a target's name.
        choice: what will do.
        station: this machine.

    Raises:
        InputError: nothing was asked for, or no requirement, or the folder cannot be written.
        WheelError: a wheel cannot be had, or does not build.
    """
    with using(station.settings.cache_dir):
        found = find_target(target, station.settings)
        tools, asked = WheelTools(station, found), lines_of(requirements, Path())
        if not asked:
            raise InputError("nothing was asked for", hint="name a requirement: edgekit wheel build NAME --target T")
        wanted = wanted_for(found, (), ()).only()
        builder, made = tools.builder(wanted), []
        for requirement, base in asked:
            began = time.monotonic()
            how = How(binary=choice.binary, again=choice.again, base=base)
            collected = collect(requirement, wanted, tools.uv, builder, how)
            path = copy_into(collected.path, choice.out)
            made.append(CollectedWheel(path=path, wheel=collected, seconds=round(time.monotonic() - began, 2)))
    return tuple(made)


def copy_into(wheel: Path, folder: Path) -> Path:
    """Copy a wheel, whole or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    made, aside = folder / wheel.name, folder / f".{wheel.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wheel, aside)
        aside.replace(made)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}", hint="choose another --out") from None
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLock:
    """A recipe's lock, written anew."""

    lock: Path
    wheels: tuple[WheelEntry, ...]


def lock_recipe(recipe: Path, target: str, station: Workstation) -> WrittenLock:
    """Resolve a recipe's Python packages anew and write its lock for a target, with what source packages take.

    Raises:
        InputError: a mistake in recipe or target.
        WheelError: a package cannot be had or built.
    """
    settings = station.settings
    with using(settings.cache_dir):
        folder = read_recipe(recipe)
        found = find_target(target, settings)
        tools = WheelTools(station, found)
        wanted = tools.wanted(runners_for(folder.recipe, found), folder.recipe, folder.folder)
        files = lock_files(settings, folder.folder, found, update=True)
        locked = resolve(wanted, files, tools.uv, tools.builder(wanted), station.progress)
    for warning in locked.warnings:
        station.progress.note(f"warning: {warning}")
    return WrittenLock(lock=lock_file(folder.folder, found), wheels=locked.wheels)
