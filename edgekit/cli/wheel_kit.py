"""Puts together what the wheel verbs work with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgekit.cli.session import local

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edgekit.cli.output import Output
    from edgekit.host.preflight import Need
    from edgekit.host.settings import Settings
    from edgekit.host.wheel.cross.crossbuild import CrossBuilder
    from edgekit.host.wheel.cross.downloads import Downloads
    from edgekit.host.wheel.cross.places import Places
    from edgekit.host.wheel.cross.workshop import Tools
    from edgekit.host.wheel.interpreter import Finder
    from edgekit.host.wheel.needs import Index, Wanted
    from edgekit.host.wheel.resolve import LockFiles
    from edgekit.host.wheel.trial.trial import Trial
    from edgekit.host.wheel.uv import Uv
    from edgekit.schema.recipe import Python
    from edgekit.schema.target import AcceleratorKind, Target


class Kit:
    """uv, interpreters and the cross-builder of one command."""

    def __init__(self, settings: Settings, target: Target, out: Output) -> None:
        import uv as uv_package

        from edgekit.host.wheel.interpreter import Finder
        from edgekit.host.wheel.uv import Uv

        self.executor = local()
        self.uv: Uv = Uv(self.executor, uv_package.find_uv_bin())
        self.finder: Finder = Finder(uv=self.uv, executor=self.executor, pyenv_root=settings.pyenv_root)
        self._settings = settings
        self._target = target
        self._out = out

    def wanted(self, runners: Iterable[AcceleratorKind], python: Python, base: Path) -> Wanted:
        """What a recipe in the folder `base` wants. Raises InputError for a requirement that is none."""
        from edgekit.host.wheel.given import split
        from edgekit.host.wheel.needs import rules_of, wanted_for

        rules = rules_of(python)
        plain, given = split(python.requirements, base, self.downloads(rules.indexes))
        return wanted_for(self._target, runners, plain, rules).with_files(given)

    def downloads(self, indexes: tuple[Index, ...] = ()) -> Downloads:
        """Fetches from indexes, the recipe's among them."""
        from edgekit.host.wheel.access import Access
        from edgekit.host.wheel.cross.downloads import Downloads

        access = Access(
            indexes=indexes,
            variables=self._settings.uv_variables,
            netrc=self._settings.netrc,
            executor=self.executor,
        )
        return Downloads(folder=wheel_places(self._settings).sources, progress=self._out, login=access.login)

    def builder(self, wanted: Wanted) -> CrossBuilder:
        """The cross-builder for the target. Nothing is fetched until a package has to be built."""
        from edgekit.host.wheel.cross.opening import open_crossbuilder

        return open_crossbuilder(self._target, wanted, wheel_places(self._settings), self._tools(wanted))

    def trial(self, wanted: Wanted) -> Trial:
        """What imports packages as on the target's board."""
        from edgekit.host.wheel.cross.opening import open_trial
        from edgekit.host.wheel.cross.workshop import Workshops

        places, tools = wheel_places(self._settings), self._tools(wanted)
        return open_trial(self._target, Workshops(self._target, wanted, places, tools), tools, places)

    def _tools(self, wanted: Wanted) -> Tools:
        from edgekit.host.wheel.cross.workshop import Tools

        return Tools(
            uv=self.uv,
            executor=self.executor,
            finder=self.finder,
            progress=self._out,
            jobs=os.cpu_count() or 1,
            debian_archive=self._settings.debian_archive,
            pyconfig=self._pyconfig(),
            downloads=self.downloads(wanted.rules.indexes),
        )

    def building_needs(self, lock: Path) -> tuple[Need, ...]:
        """What building a lock's source packages takes of this machine: headers, unless Debian has the board's."""
        from edgekit.host.wheel.cross.headers import headers_need
        from edgekit.host.wheel.cross.images import find_image
        from edgekit.host.wheel.lock import parse_lock

        text = lock.read_text(encoding="utf-8", errors="replace") if lock.is_file() else ""
        if all(file.is_wheel for file in parse_lock(text, str(lock))):
            return ()
        known = find_image(self._target.os, wheel_places(self._settings).cross).python
        interpreter = None if known and not self._pyconfig() else self.finder.find(self._target.os.python)
        return (headers_need(interpreter, self._target.os.python, self.executor),) if interpreter else ()

    def _pyconfig(self) -> str:
        """What a probe read of the board's own Python, beside the target's file."""
        from edgekit.host.catalogue.targets import pyconfig_file, target_files

        file = target_files(self._settings).get(self._target.name)
        read = pyconfig_file(file) if file else None
        return read.read_text(encoding="utf-8", errors="replace") if read and read.is_file() else ""


def lock_files(settings: Settings, recipe: Path, target: Target, *, update: bool) -> LockFiles:
    """Where a recipe's lock for a target lies."""
    from edgekit.host.wheel.resolve import LockFiles

    return LockFiles(recipe=recipe / "locks" / f"{target.name}.txt", cache_dir=settings.cache_dir, update=update)


def wheel_places(settings: Settings) -> Places:
    """Where cross-building keeps things."""
    from edgekit.host.wheel.cross.places import Places

    return Places(cache=settings.cache_dir, cross=settings.data_dir / "cross")
