"""Devices that compile engines, and the packages that they need for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.executor import Executor
from edgekit.schema.board import BoardPaths
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.manifest import FileEntry
from edgekit.schema.target import Accelerator, Target

LABEL = "builder"
"""A device of fleet.toml with this label compiles engines for its target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderDevice:
    """One device that may be asked."""

    name: str
    executor: Executor
    """Runs programs there; it connects at its first use."""
    prefix: str
    """Root of edgekit's own tree there."""

    @property
    def folder(self) -> str:
        """Its agent's folder."""
        return BoardPaths(prefix=self.prefix).builder_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A file of a Python package, or of edgekit's own, that compiling needs on the device."""

    entry: FileEntry
    file: Path
    """Where it lies here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a device may take before it is given up."""

    answer_s: float = 60.0
    """For an answer, or a sign of life while a program runs there: one comes every few seconds."""
    files_s: float = 600.0
    """For reading, laying out or deleting all files that it keeps."""
    compile_s: float = 3600.0
    try_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Builders:
    """The devices that a build may ask, and what it sends them."""

    devices: tuple[BuilderDevice, ...]
    """The preferred first."""
    packages: tuple[PackageFile, ...]
    """Python packages that compile the target's engines and run them there, as a release's `site/` has them."""
    judge: Callable[[Target, Accelerator, DeviceFacts], tuple[str, ...]]
    """Rule: every reason why a device of these facts must not compile for a target."""
    holder: str
    """Who builds, `USER@HOST`, for others who meet the lock."""
    wait_s: float = 600.0
    """How long to wait for a device that somebody else has reserved."""
    patience: Patience = Patience()


NO_BUILDERS = Builders(devices=(), packages=(), judge=lambda *_: (), holder="")
"""Every engine that needs a device is refused."""
