"""Wheels that were built here, kept by everything that made them. Shared by every recipe and target that they fit."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.wheel.cross.kept import kept_folder
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.schema.reader import from_json, to_json
from edgekit.trust import sha256_file

_RECORD = "wheel.json"
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltWheel:
    """A wheel, as `wheel.json` beside it says it."""

    name: str
    version: str
    filename: str
    sha256: str
    bytes: int
    made: Provenance
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A wheel in the cache."""

    key: str
    folder: Path
    record: BuiltWheel
    used_s: float
    """When it was last used: seconds since the epoch."""

    @property
    def wheel(self) -> Path:
        """The wheel itself."""
        return self.folder / self.record.filename


class WheelStore:
    """The cache of built wheels."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, key: str) -> Kept | None:
        """A wheel by its key, or None; one that is damaged is thrown away."""
        kept = self._read(self._folder / key)
        if kept is None:
            return None
        if not kept.wheel.is_file() or sha256_file(kept.wheel) != kept.record.sha256:
            shutil.rmtree(kept.folder, ignore_errors=True)
            return None
        os.utime(kept.folder / _RECORD)
        return kept

    def keep(self, key: str, wheel: Path, record: BuiltWheel) -> Kept:
        """Put a wheel in; if another build was faster, its wheel stays."""

        def fill(folder: Path) -> None:
            shutil.copyfile(wheel, folder / record.filename)
            (folder / _RECORD).write_bytes(to_json(record))

        if self.find(key) is None:  # what lies there is damaged, or another edgekit's
            shutil.rmtree(self._folder / key, ignore_errors=True)
        kept_folder(self._folder / key, fill)
        kept = self.find(key)
        assert kept is not None
        return kept

    def list(self) -> tuple[Kept, ...]:
        """All wheels, by name and ABI."""
        found = [self._read(folder) for folder in self._folder.glob("*") if not folder.name.startswith(".")]
        return tuple(
            sorted(
                (kept for kept in found if kept), key=lambda kept: (kept.record.name, kept.record.made.abi, kept.key)
            )
        )

    def forget(self, unused_days: float, now_s: float) -> tuple[Kept, ...]:
        """Throw away wheels that nobody used for so many days; give what went."""
        old = tuple(kept for kept in self.list() if now_s - kept.used_s >= unused_days * _DAY_S)
        for kept in old:
            shutil.rmtree(kept.folder, ignore_errors=True)
        return old

    def _read(self, folder: Path) -> Kept | None:
        file = folder / _RECORD
        try:
            record = from_json(BuiltWheel, file.read_bytes(), str(file))
            return Kept(key=folder.name, folder=folder, record=record, used_s=file.stat().st_mtime)
        except (OSError, InputError):
            return None
