"""The cache of engines: each in a folder named by a digest of everything that affects it."""

from __future__ import annotations

import hashlib
import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgekit.errors import InputError
from edgekit.host.cache import Cache
from edgekit.host.disk import read_small
from edgekit.host.engine.model.answers import Answers
from edgekit.host.engine.record import EngineRecord
from edgekit.host.notes import Notes
from edgekit.host.progress import Progress
from edgekit.schema.answers import array_name
from edgekit.schema.reader import from_json, to_json
from edgekit.trust import sha256_bytes, sha256_file

ENGINES, MODELS, SPLITS, TIMINGS, WEIGHTS = "engines", "models", "splits", "timings", "weights"
"""Folders of the cache."""
_RECORD = "engine.json"
_ANSWERS = "answers.npz"
_EXPECTED = "expected.npz"
_MOST_RECORD_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedEngine:
    """An engine in the cache."""

    key: str
    folder: Path
    record: EngineRecord
    used_s: float = 0.0
    """When it was last used: seconds since the epoch; 0: now."""

    @property
    def file(self) -> Path:
        """The engine itself."""
        return self.folder / self.record.filename

    @property
    def answers(self) -> Path:
        """What it answered on the frames it was verified with: an array `output:NAME` each, [frames, ...]."""
        return self.folder / _ANSWERS

    @property
    def expected(self) -> Path:
        """What the float model answered on them."""
        return self.folder / _EXPECTED


def cache_key(**parts: object) -> str:
    """A digest of everything that affects an engine and its record: plain values, dataclasses, bytes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    return sha256_bytes(value) if isinstance(value, bytes) else asdict(value)  # type: ignore[call-overload]


class EngineStore:
    """What compiling engines puts into the cache: engines, inspected and split models, what devices have timed.

    Args:
        cache_dir: the user's cache folder.
        progress: is told of waiting and of damage.
    """

    def __init__(self, cache_dir: Path, progress: Progress | None = None) -> None:
        self._engines = Cache(cache_dir / ENGINES, progress)
        self._timings = Notes(cache_dir / TIMINGS)
        self.models = Cache(cache_dir / MODELS, progress)
        """What was found out of models, with what they were rewritten into: see `inspection.models`."""
        self.weights = Notes(cache_dir / WEIGHTS)
        """The files that a model's file names as holding weights of it, by that file's digest."""
        self.splits = Cache(cache_dir / SPLITS, progress)
        """Heads and tails of models that are split."""

    def find(self, key: str) -> CachedEngine | None:
        """An engine by its key, or None; one that is damaged is deleted."""
        cached = self._engines.take(key)
        if cached is None:
            return None
        engine, digests = _read(key, cached.folder), {file.path: file.sha256 for file in cached.content.files}
        if engine is None or digests.get(engine.record.filename) != engine.record.sha256:
            self._engines.throw_away(cached, f"its {_RECORD} is of another edgekit")
            return None
        return engine

    def add(self, key: str, engine: bytes, record: EngineRecord, answers: Answers, expected: Answers) -> CachedEngine:
        """Put an engine in, with its and the float model's answers; if another build was faster, its engine stays."""
        assert sha256_bytes(engine) == record.sha256

        def make(folder: Path) -> None:
            (folder / record.filename).write_bytes(engine)
            (folder / _RECORD).write_bytes(to_json(record))
            for file, arrays in ((_ANSWERS, answers), (_EXPECTED, expected)):
                named = {array_name(name): array for name, array in arrays.items()}
                np.savez_compressed(folder / file, allow_pickle=False, **named)

        if there := self.find(key):
            return there
        self._engines.put(key, make, f"{record.model} for {record.target}")
        cached = self.find(key)
        assert cached is not None
        return cached

    def lock(self, key: str, title: str = "") -> AbstractContextManager[None]:
        """Be the only one who makes an engine: others wait, and say so. Look again once inside."""
        return self._engines.making(key, title)

    def timings(self, kind_of_device: str) -> bytes:
        """What devices of a kind have timed so far; empty where none has."""
        return self._timings.read(kind_of_device) or b""

    def save_timings(self, kind_of_device: str, timings: bytes) -> None:
        """Remember what a device has timed, for the next engine for its kind."""
        self._timings.write(kind_of_device, timings)

    def list(self) -> tuple[CachedEngine, ...]:
        """All engines, by the model's name and target."""
        found = (_read(entry.key, entry.path, entry.used_s) for entry in self._engines.entries())
        return tuple(
            sorted((one for one in found if one), key=lambda one: (one.record.model, one.record.target, one.key))
        )

    def find_by_file(self, file: Path) -> CachedEngine | None:
        """The engine with a file's content, whatever its key; a file of another size than any is not read."""
        size = file.stat().st_size
        alike = [cached for cached in self.list() if cached.record.bytes == size]
        sha256 = sha256_file(file) if alike else ""
        return next((cached for cached in alike if cached.record.sha256 == sha256), None)

    def check(self, cached: CachedEngine) -> str:
        """Compares an engine's files with their digests; gives what differs, or nothing."""
        return self._engines.check(cached.key)


def _read(key: str, folder: Path, used_s: float = 0.0) -> CachedEngine | None:
    file = folder / _RECORD
    try:
        record = from_json(EngineRecord, read_small(file, _MOST_RECORD_BYTES), str(file))
    except (OSError, InputError):
        return None
    return CachedEngine(key=key, folder=folder, record=record, used_s=used_s)
