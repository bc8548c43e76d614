"""Wheels that were built here, cached by everything that they are made from, for every recipe and target they fit."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.cache import Cache
from edgekit.host.disk import read_small
from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.schema.reader import from_json, to_json

_RECORD = "wheel.json"
_MOST_RECORD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """How a wheel was made: `wheel.json` beside it."""

    name: str
    version: str
    filename: str
    sha256: str
    bytes: int
    made: Provenance
    seconds: float
    """How long it took."""
    sandbox: str = ""
    """What its code ran in: see `sandbox.SandboxKind`; empty: nobody noted that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedWheel:
    """A wheel in the cache."""

    key: str
    folder: Path
    """Has the wheel, and nothing else that could be taken for one."""
    record: BuiltWheel
    used_s: float = 0.0
    """When it was last used: seconds since the epoch; 0: now."""

    @property
    def wheel(self) -> Path:
        """The wheel itself."""
        return self.folder / self.record.filename


class WheelStore:
    """The cache of built wheels.

    Args:
        folder: of the cache.
        progress: is told of damage.
    """

    def __init__(self, folder: Path, progress: Progress | None = None) -> None:
        self._cache = Cache(folder, progress)

    def find(self, key: str) -> CachedWheel | None:
        """A wheel by its key, or None; one that is damaged is thrown away."""
        cached = self._cache.take(key)
        if cached is None:
            return None
        record = _read(cached.folder)
        digests = {file.path: file.sha256 for file in cached.content.files}
        if record is None or digests.get(record.filename) != record.sha256:
            self._cache.throw_away(cached, f"its {_RECORD} is of another edgekit")
            return None
        return CachedWheel(key=key, folder=cached.folder, record=record)

    def put(self, key: str, wheel: Path, record: BuiltWheel) -> CachedWheel:
        """Put a wheel in; if another build was faster, its wheel stays."""

        def make(folder: Path) -> None:
            shutil.copyfile(wheel, folder / record.filename)
            (folder / _RECORD).write_bytes(to_json(record))

        if there := self.find(key):
            return there
        self._cache.put(key, make, f"{record.name} {record.version} for {record.made.abi}")
        cached = self.find(key)
        assert cached is not None
        return cached

    def list(self) -> tuple[CachedWheel, ...]:
        """All wheels, by name and ABI."""
        found = [(entry, _read(entry.path)) for entry in self._cache.entries()]
        wheels = (
            CachedWheel(key=entry.key, folder=entry.path, record=record, used_s=entry.used_s)
            for entry, record in found
            if record is not None
        )
        return tuple(sorted(wheels, key=_by_name))


def _by_name(wheel: CachedWheel) -> tuple[str, str, str]:
    return wheel.record.name, wheel.record.made.abi, wheel.key


def _read(folder: Path) -> BuiltWheel | None:
    try:
        return from_json(BuiltWheel, read_small(folder / _RECORD, _MOST_RECORD_BYTES), str(folder / _RECORD))
    except (OSError, InputError):
        return None
