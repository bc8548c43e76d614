"""Resolves Python packages and lays them out in the cache: for a release, and for a device that compiles engines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import edgekit
from edgekit.host.cache import Cached
from edgekit.host.wheel.check.loads import loads_of
from edgekit.host.wheel.layout import LayoutTools, lay_out_own, lay_out_wheels
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.resolve import Locked, LockFiles, resolve
from edgekit.host.workflow.wheels import WheelTools
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOutPackages:
    """Exact packages, unpacked."""

    locked: Locked
    wheels: Cached
    """Other people's."""
    own: Cached
    """edgekit's own part."""
    bytecode: str = ""
    """Version of the Python that compiled their bytecode; empty: there is none."""

    @property
    def from_cache(self) -> bool:
        """Whether nothing had to be resolved, built or unpacked."""
        return self.locked.from_cache and self.wheels.from_cache and self.own.from_cache


def lay_out_packages(
    wanted: Wanted, target: Target, lock: LockFiles, station: Workstation, *, builder: bool = False
) -> LaidOutPackages:
    """Resolve and unpack packages, or take them from the cache.

    Args:
        wanted: requirements.
        target: the system that they are for.
        lock: where their lock lies, or goes.
        station: this machine.
        builder: with edgekit's part that compiles engines on a device.

    Raises:
        WheelError: a package cannot be had or built, or the target cannot load it.
        InputError: a lock is wrong.
    """
    settings, tools = station.settings, WheelTools(station, target)
    locked = resolve(wanted, lock, tools.uv, tools.builder(wanted), station.progress)
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
    return LaidOutPackages(
        locked=locked,
        wheels=lay_out_wheels(wanted, locked, layout, tools.uv, loads_of(target, settings.data_dir / "cross")),
        own=lay_out_own(Path(edgekit.__file__).parent, layout, builder=builder),
        bytecode=interpreter.version if interpreter else "",
    )
