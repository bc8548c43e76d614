"""Devices that compile engines, and what they are given for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.executor import Executor
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import FileEntry
from edgekit.schema.target import Accelerator, AcceleratorKind, Target

LABEL = "builder"
"""A device of fleet.toml with this label compiles engines for its target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderDevice:
    """One device that may be asked."""

    name: str
    connect: Callable[[], Executor]
    prefix: str
    """Root of edgekit's own tree there."""

    @property
    def folder(self) -> str:
        """Its agent's folder."""
        return f"{self.prefix.rstrip('/')}/var/lib/edgekit/builder"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A file of a Python package, or of edgekit's own, that compiling needs on the device."""

    entry: FileEntry
    file: Path
    """Where it lies here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Builders:
    """The devices that a build may ask, and what it sends them."""

    find: Callable[[Target], tuple[BuilderDevice, ...]]
    """Devices of a target that may compile for it, the preferred first."""
    packages: Callable[[Target, AcceleratorKind], tuple[PackageFile, ...]]
    """Python packages for one kind of engine on a target, as its `site/` has them."""
    judge: Callable[[Target, Accelerator, DeviceFacts], tuple[str, ...]]
    """Every reason why a device must not compile for a target."""
    holder: str
    """Who builds, `USER@HOST`, for others who meet the lock."""
    wait_s: float = 600.0
    """How long to wait for a device that somebody else has reserved."""


def no_builders() -> Builders:
    """None: every engine that needs a device is refused."""
    return Builders(find=lambda _target: (), packages=lambda _target, _kind: (), judge=lambda *_: (), holder="")
