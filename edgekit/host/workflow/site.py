"""Lays out the Python packages of a release, or of a rehearsal on this machine."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import edgekit
from edgekit.host.cache import Cached
from edgekit.host.catalogue.recipes import RecipeFolder
from edgekit.host.engine.compile import choose_backend
from edgekit.host.rehearsal import Packages
from edgekit.host.wheel.check.loads import loads_of
from edgekit.host.wheel.layout import LayoutTools, lay_out_own, lay_out_wheels
from edgekit.host.wheel.resolve import resolve
from edgekit.host.workflow.wheels import WheelTools, lock_files
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import WheelEntry
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import AcceleratorKind, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The `site/` of a release, in two folders of the cache."""

    wheels: tuple[WheelEntry, ...]
    packages: Cached
    """The wheels, unpacked."""
    own: Cached
    """edgekit's own part."""
    native: bool
    """Whether this Python can import the compiled ones."""
    from_cache: bool
    warnings: tuple[str, ...]

    @property
    def importable(self) -> Packages:
        """What a rehearsal imports."""
        return Packages(folder=self.packages.folder, native=self.native)


def lay_out_site(folder: RecipeFolder, target: Target, station: Workstation, *, update_lock: bool = False) -> Site:
    """Resolve and unpack the Python packages, or take them from the cache.

    Args:
        folder: the recipe.
        target: what they are for.
        station: this machine.
        update_lock: resolve anew, and write the recipe's lock.

    Raises:
        WheelError: a package cannot be had or built, or the target cannot load it.
        InputError: a requirement or a lock is wrong.
    """
    settings, tools = station.settings, WheelTools(station, target)
    wanted = tools.wanted(runners_for(folder.recipe, target), folder.recipe.python, folder.folder)
    files = lock_files(settings, folder.folder, target, update=update_lock)
    locked = resolve(wanted, files, tools.uv, tools.builder(wanted), station.progress)
    interpreter = tools.finder.find(target.os.python)
    if interpreter is None:
        station.progress.note(
            f"no Python {target.os.python} here: bytecode is left out, and starts take longer on the board"
        )
    layout = LayoutTools(
        sites=settings.cache_dir / "sites",
        interpreter=interpreter,
        executor=station.executor,
        progress=station.progress,
        trial=tools.trial(wanted) if locked.built else None,
    )
    packages = lay_out_wheels(wanted, locked, layout, tools.uv, loads_of(target, settings.data_dir / "cross"))
    own = lay_out_own(Path(edgekit.__file__).parent, layout)
    here = (platform.machine(), ".".join(platform.python_version_tuple()[:2]))
    return Site(
        wheels=locked.wheels,
        packages=packages,
        own=own,
        native=(target.os.arch, target.os.python) == here,
        from_cache=locked.from_cache and packages.from_cache and own.from_cache,
        warnings=locked.warnings,
    )


def runners_for(recipe: Recipe, target: Target) -> tuple[AcceleratorKind, ...]:
    """What will run a recipe's engines on a target, sorted: the tails of models that are split are ONNX Runtime's."""
    if not recipe.models:
        return ()
    tails: set[AcceleratorKind] = {"onnxruntime"} if any(model.split for model in recipe.models.values()) else set()
    return tuple(sorted({choose_backend(target)} | tails))
