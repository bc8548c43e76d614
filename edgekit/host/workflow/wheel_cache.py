"""Looks after the wheels that were built on this machine, and checks wheel files from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.cache_users import emptying, remove_all
from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import Settings
from edgekit.host.wheel.check.audit import Report, check_wheels
from edgekit.host.wheel.check.loads import loads_of
from edgekit.host.wheel.cross.leftovers import remove_leftovers
from edgekit.host.wheel.cross.places import Places
from edgekit.host.wheel.cross.store import Kept, WheelStore
from edgekit.host.wheel.tree import unused_trees


def built_wheels(settings: Settings) -> tuple[Kept, ...]:
    """Wheels that were built here, by package."""
    return WheelStore(wheel_paths(settings).wheels).list()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedWheels:
    """What went from the cache."""

    wheels: tuple[Kept, ...]
    sites: int
    """Sets of packages that were laid out."""
    freed_bytes: int


def delete_wheels(settings: Settings, unused_days: float, now_s: float) -> DeletedWheels:
    """Delete wheels and laid-out packages that nobody used for so many days, and what cut-off builds have left.

    Raises:
        LockHeld: a build goes on.
    """
    paths, sites = wheel_paths(settings), settings.cache_dir / "sites"
    with emptying(settings.cache_dir):
        gone = WheelStore(paths.wheels).forget(unused_days, now_s)
        trees = unused_trees(sites, unused_days, now_s)
        freed = sum(wheel.record.bytes for wheel in gone) + remove_all(trees)
        freed += remove_leftovers(paths, unused_days, now_s)
    return DeletedWheels(wheels=gone, sites=len(trees), freed_bytes=freed)


def check_files(files: Sequence[Path], target: str, settings: Settings) -> tuple[Report, ...]:
    """Read every compiled file of wheels, and report what a target could not load and why.

    Raises:
        InputError: there is no such target, or a file is no wheel.
    """
    return check_wheels(files, loads_of(find_target(target, settings), settings.data_dir / "cross"))


def wheel_paths(settings: Settings) -> Places:
    """Where cross-building keeps files."""
    return Places(cache=settings.cache_dir, cross=settings.data_dir / "cross")
