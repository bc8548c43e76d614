"""Resolves Python packages and lays them out in the cache: for a release, and for a device that compiles engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import edgekit
from edgekit.host.cache import Cached
from edgekit.host.wheel.check.loads import loads_of
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.layout import LayoutTools, OwnPart, lay_out_own, lay_out_wheels
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
    kernels: Result | None = None
    """How its compiled part was built, which lies in `own`; None: there is none."""
    bytecode: str = ""
    """Version of the Python that compiled their bytecode; empty: there is none."""

    @property
    def from_cache(self) -> bool:
        """Whether nothing had to be resolved, built or unpacked."""
        kernels = self.kernels is None or self.kernels.from_cache
        return self.locked.from_cache and self.wheels.from_cache and self.own.from_cache and kernels

    @property
    def results(self) -> Mapping[str, Result]:
        """How those were made that were built from source, by name."""
        own = {} if self.kernels is None else {self.kernels.cached.record.name: self.kernels}
        return {**self.locked.results, **own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What of edgekit itself goes along."""

    builder: bool = False
    """Also what compiles engines on a device."""
    kernels: Result | None = None
    """Its compiled part; None: there is none."""

    @property
    def part(self) -> OwnPart:
        """As it is laid out."""
        return OwnPart(builder=self.builder, kernels=self.kernels.cached if self.kernels else None)


_WORKER = Own()


def lay_out_packages(
    wanted: Wanted, target: Target, lock: LockFiles, station: Workstation, own: Own = _WORKER
) -> LaidOutPackages:
    """Resolve and unpack packages, or take them from the cache.

    Args:
        wanted: requirements.
        target: the system that they are for.
        lock: where their lock lies, or goes.
        station: this machine.
        own: edgekit's own part.

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
        own=lay_out_own(Path(edgekit.__file__).parent, layout, own.part),
        kernels=own.kernels,
        bytecode=interpreter.version if interpreter else "",
    )
