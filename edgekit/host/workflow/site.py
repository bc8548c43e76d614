"""The Python packages of a release, or of a rehearsal on this machine."""

from __future__ import annotations

import platform

from edgekit.host.catalogue.recipes import RecipeFolder
from edgekit.host.engine.backends import choose_backend
from edgekit.host.rehearsal import Packages
from edgekit.host.workflow.kernels import kernels_for
from edgekit.host.workflow.packages import LaidOutPackages, Own, lay_out_packages
from edgekit.host.workflow.wheels import WheelTools, lock_files
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import AcceleratorKind, Target


def lay_out_site(
    folder: RecipeFolder, target: Target, station: Workstation, *, update_lock: bool = False
) -> LaidOutPackages:
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
    wanted = WheelTools(station, target).wanted(runners_for(folder.recipe, target), folder.recipe, folder.folder)
    lock = lock_files(station.settings, folder.folder, target, update=update_lock)
    return lay_out_packages(wanted, target, lock, station, Own(kernels=kernels_for(folder.recipe, target, station)))


def importable(site: LaidOutPackages, target: Target) -> Packages:
    """What of a target's packages a rehearsal on this machine imports."""
    here = (platform.machine(), ".".join(platform.python_version_tuple()[:2]))
    return Packages(folder=site.wheels.folder, native=(target.os.arch, target.os.python) == here)


def runners_for(recipe: Recipe, target: Target) -> tuple[AcceleratorKind, ...]:
    """What will run a recipe's engines on a target, sorted: the tails of models that are split are ONNX Runtime's."""
    if not recipe.models:
        return ()
    models = recipe.models.values()
    tails: set[AcceleratorKind] = {"onnxruntime"} if any(model.split for model in models) else set()
    return tuple(sorted({choose_backend(target, model) for model in models} | tails))
