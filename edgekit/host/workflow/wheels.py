"""Puts together what resolving, building and laying out Python packages for one target takes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import uv as uv_package

from edgekit.host.catalogue.targets import pyconfig_file, target_files
from edgekit.host.preflight import Need
from edgekit.host.settings import Settings
from edgekit.host.wheel.access import Access
from edgekit.host.wheel.cross.downloads import Downloads
from edgekit.host.wheel.cross.factory import make_crossbuilder, make_trial
from edgekit.host.wheel.cross.headers import headers_need
from edgekit.host.wheel.cross.images import find_image
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.wheel.cross.workshop import Tools, Workshops
from edgekit.host.wheel.debian import DebianPackage
from edgekit.host.wheel.given import split
from edgekit.host.wheel.interpreter import Finder
from edgekit.host.wheel.lock import parse_lock
from edgekit.host.wheel.needs import Index, Wanted, rules_of, wanted_for
from edgekit.host.wheel.resolve import LockFiles
from edgekit.host.wheel.uv import Uv
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import AcceleratorKind, Target

if TYPE_CHECKING:
    from edgekit.host.wheel.cross.crossbuild import CrossBuilder
    from edgekit.host.wheel.trial.trial import Trial


class WheelTools:
    """uv, interpreters and the cross-builder for one target."""

    def __init__(self, station: Workstation, target: Target) -> None:
        self.uv = Uv(station.executor, uv_package.find_uv_bin())
        self.finder = finder(station)
        self._station = station
        self._target = target

    def wanted(self, runners: Iterable[AcceleratorKind], recipe: Recipe, base: Path) -> Wanted:
        """What a recipe in the folder `base` wants. Raises InputError for a requirement that is none."""
        rules = rules_of(recipe.python)
        plain, given = split(recipe.python.requirements, base, self.downloads(rules.indexes))
        parts: set[str] = {sink.kind for sink in recipe.pipeline.sinks.values()}
        if any(model.serve for model in recipe.models.values()):
            parts.add("serve")
        return wanted_for(self._target, runners, plain, rules, sorted(parts)).with_files(given)

    def downloads(self, indexes: tuple[Index, ...] = ()) -> Downloads:
        """Fetches from indexes, the recipe's among them."""
        settings = self._station.settings
        access = Access(
            indexes=indexes,
            variables=settings.uv_variables,
            netrc=settings.netrc,
            executor=self._station.executor,
        )
        return Downloads(folder=CrossPaths.of(settings).sources, progress=self._station.progress, login=access.login)

    def builder(self, wanted: Wanted) -> CrossBuilder:
        """The cross-builder for the target. Nothing is fetched until a package has to be built."""
        return make_crossbuilder(self._target, wanted, CrossPaths.of(self._station.settings), self._tools(wanted))

    def trial(self, wanted: Wanted) -> Trial:
        """What imports packages as on the target's board."""
        paths, tools = CrossPaths.of(self._station.settings), self._tools(wanted)
        return make_trial(self._target, Workshops(self._target, wanted, paths, tools), tools, paths)

    def board_packages(self, wanted: Wanted) -> tuple[DebianPackage, ...]:
        """Debian's packages with the board's headers and C++ library, as cross-building takes them."""
        paths = CrossPaths.of(self._station.settings)
        return Workshops(self._target, wanted, paths, self._tools(wanted)).packages()

    def _tools(self, wanted: Wanted) -> Tools:
        return Tools(
            uv=self.uv,
            executor=self._station.executor,
            sandbox=self._station.sandbox,
            finder=self.finder,
            progress=self._station.progress,
            jobs=os.cpu_count() or 1,
            debian_archive=self._station.settings.debian_archive,
            pyconfig=self._pyconfig(),
            downloads=self.downloads(wanted.rules.indexes),
        )

    def building_needs(self, lock: Path) -> tuple[Need, ...]:
        """What building a lock's source packages takes of this machine: headers, unless Debian has the board's."""
        text = lock.read_text(encoding="utf-8", errors="replace") if lock.is_file() else ""
        if all(file.is_wheel for file in parse_lock(text, str(lock))):
            return ()
        known = find_image(self._target.os, CrossPaths.of(self._station.settings).cross).python
        interpreter = None if known and not self._pyconfig() else self.finder.find(self._target.os.python)
        if interpreter is None:
            return ()
        return (headers_need(interpreter, self._target.os.python, self._station.executor),)

    def _pyconfig(self) -> str:
        """What a probe read of the board's own Python, beside the target's file."""
        file = target_files(self._station.settings).get(self._target.name)
        read = pyconfig_file(file) if file else None
        return read.read_text(encoding="utf-8", errors="replace") if read and read.is_file() else ""


def finder(station: Workstation) -> Finder:
    """Finds Python interpreters on this machine."""
    uv = Uv(station.executor, uv_package.find_uv_bin())
    return Finder(uv=uv, executor=station.executor, pyenv_root=station.settings.pyenv_root)


def lock_files(settings: Settings, recipe: Path, target: Target, *, update: bool) -> LockFiles:
    """Where a recipe's lock for a target lies."""
    return LockFiles(recipe=lock_file(recipe, target), cache_dir=settings.cache_dir, update=update)


def lock_file(recipe: Path, target: Target) -> Path:
    """A recipe's own lock for a target."""
    return recipe / "locks" / f"{target.name}.txt"
