"""The cache of engines: each in a folder named by a digest of everything that affects it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgekit.errors import InputError
from edgekit.host.engine.model.answers import Answers
from edgekit.host.engine.record import EngineRecord
from edgekit.schema.reader import from_json, to_json
from edgekit.trust import sha256_bytes, sha256_file

_RECORD = "engine.json"
_ANSWERS = "answers.npz"
_EXPECTED = "expected.npz"
OUTPUT = "output:"
"""In front of every output's name in that file: numpy refuses an array named `file`."""
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedEngine:
    """An engine in the cache."""

    key: str
    folder: Path
    record: EngineRecord
    used_s: float
    """When it was last used: seconds since the epoch."""

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
    """The cache of engines: a folder for each, named by its key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def splits(self) -> Path:
        """Where models that are split keep their heads and tails."""
        return self._folder / ".parts"

    def find(self, key: str) -> CachedEngine | None:
        """An engine by its key, or None; one that is damaged is thrown away."""
        kept = self._read(self._folder / key)
        if kept is None:
            return None
        whole = all(file.is_file() for file in (kept.file, kept.answers, kept.expected))
        if not whole or sha256_file(kept.file) != kept.record.sha256:
            shutil.rmtree(kept.folder, ignore_errors=True)
            return None
        os.utime(kept.folder / _RECORD)
        return kept

    def add(self, key: str, engine: bytes, record: EngineRecord, answers: Answers, expected: Answers) -> CachedEngine:
        """Put an engine in, with its and the float model's answers; if another build was faster, its engine stays."""
        assert sha256_bytes(engine) == record.sha256
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".aside-", ignore_cleanup_errors=True) as aside:
            made = Path(aside, "made")
            made.mkdir()
            (made / record.filename).write_bytes(engine)
            (made / _RECORD).write_bytes(to_json(record))
            for file, arrays in ((_ANSWERS, answers), (_EXPECTED, expected)):
                named = {f"{OUTPUT}{name}": array for name, array in arrays.items()}
                np.savez_compressed(made / file, allow_pickle=False, **named)
            with contextlib.suppress(OSError):  # it is there already
                made.rename(self._folder / key)
        kept = self.find(key)
        assert kept is not None
        return kept

    @contextlib.contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Be the only one who makes an engine; the system lets go when its holder dies. Look again once inside."""
        lock = self._folder / ".locks" / key
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield

    def timings(self, kind_of_device: str) -> bytes:
        """What devices of a kind have timed so far; empty where none has."""
        try:
            return (self._folder / ".timings" / kind_of_device).read_bytes()
        except FileNotFoundError:
            return b""

    def save_timings(self, kind_of_device: str, timings: bytes) -> None:
        """Keep what a device has timed, for the next engine for its kind."""
        file = self._folder / ".timings" / kind_of_device
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as aside:
            aside.write(timings)
        Path(aside.name).rename(file)

    def find_model(self, key: str, sha256: str) -> Path | None:
        """A rewritten model by the key of its rewriting; None where it is not there, or not whole."""
        file = self._folder / ".models" / f"{key}.onnx"
        if not file.is_file() or sha256_file(file) != sha256:
            return None
        os.utime(file)
        return file

    def add_model(self, key: str, model: bytes) -> Path:
        """Keep a rewritten model, for the engines that are made from it."""
        file = self._folder / ".models" / f"{key}.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as aside:
            aside.write(model)
        Path(aside.name).rename(file)
        return file

    def list(self) -> tuple[CachedEngine, ...]:
        """All engines, by the model's name and target."""
        found = [self._read(folder) for folder in self._folder.glob("[!.]*")]
        return tuple(
            sorted((one for one in found if one), key=lambda one: (one.record.model, one.record.target, one.key))
        )

    def find_by_file(self, file: Path) -> CachedEngine | None:
        """The engine with a file's content, whatever its key; a file of another size than any is not read."""
        size = file.stat().st_size
        alike = [kept for kept in self.list() if kept.record.bytes == size]
        sha256 = sha256_file(file) if alike else ""
        return next((kept for kept in alike if kept.record.sha256 == sha256), None)

    def check(self, kept: CachedEngine) -> str:
        """What is wrong with an engine as it lies there; empty where it is what its record says."""
        try:
            if sha256_file(kept.file) != kept.record.sha256:
                return "its file is not the one that was made"
            with np.load(kept.answers, allow_pickle=False) as arrays:
                names = [name.removeprefix(OUTPUT) for name in arrays.files if arrays[name].size]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            return f"it cannot be read: {error}"
        missing = [one.output for one in kept.record.agreement if one.output not in names]
        return f"its answers of {missing[0]} are missing" if missing else ""

    def remove_unused(self, unused_days: float, now_s: float) -> tuple[CachedEngine, ...]:
        """Throw away engines that nobody used for so many days; give what went."""
        old = tuple(kept for kept in self.list() if now_s - kept.used_s >= unused_days * _DAY_S)
        for kept in old:
            shutil.rmtree(kept.folder, ignore_errors=True)
        for file in self._folder.glob(".models/*"):
            if now_s - file.stat().st_mtime >= unused_days * _DAY_S:
                file.unlink(missing_ok=True)
        for record in self.splits.glob("*/split.json"):
            if now_s - record.stat().st_mtime >= unused_days * _DAY_S:
                shutil.rmtree(record.parent, ignore_errors=True)
        return old

    def _read(self, folder: Path) -> CachedEngine | None:
        file = folder / _RECORD
        try:
            record = from_json(EngineRecord, file.read_bytes(), str(file))
            return CachedEngine(key=folder.name, folder=folder, record=record, used_s=file.stat().st_mtime)
        except (OSError, InputError):
            return None
