"""Looks after the wheels that were built on this machine, and checks wheel files from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import Settings
from edgekit.host.wheel.check.audit import WheelReport, check_wheels
from edgekit.host.wheel.check.loads import loads_of
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.wheel.cross.store import CachedWheel, WheelStore


def built_wheels(settings: Settings) -> tuple[CachedWheel, ...]:
    """Wheels that were built here, by package."""
    return WheelStore(CrossPaths.of(settings).wheels).list()


def check_files(files: Sequence[Path], target: str, settings: Settings) -> tuple[WheelReport, ...]:
    """Read every compiled file of wheels, and report what a target could not load and why.

    Raises:
        InputError: there is no such target, or a file is no wheel.
    """
    return check_wheels(files, loads_of(find_target(target, settings), settings.data_dir / "cross"))
