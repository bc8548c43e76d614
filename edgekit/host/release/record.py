"""Remembers finished builds: with every input as it was and the release whole where it was written, nothing is done."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.notes import Notes
from edgekit.host.release.digests import FolderDigests
from edgekit.host.release.names import FILES, MANIFEST, PROVENANCE, SIGNATURE
from edgekit.host.snapshot import SETTLED_NS, Snapshot, take_snapshot
from edgekit.schema.manifest import EngineEntry, FileEntry
from edgekit.schema.reader import from_json, to_json
from edgekit.trust import sha256_bytes

_MOST = 64
"""How many builds are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that can change what a build makes."""

    folders: tuple[Path, ...]
    """Every file below them counts: the recipe, edgekit itself and its data for building."""
    files: tuple[Path, ...]
    """Files, and folders by themselves: their own time tells when something was added or removed."""
    words: tuple[str, ...]
    """Arguments and settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltRelease:
    """A release that was built, in figures: what `edgekit build --json` prints."""

    digest: str
    path: str
    target: str
    wheels: tuple[str, ...]
    """`NAME==VERSION` of each."""
    engines: tuple[EngineEntry, ...]
    files: int
    bytes: int
    from_cache: bool
    """Whether nothing had to be compiled or resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build has to report."""

    application: str
    version: str
    release: BuiltRelease
    notes: tuple[str, ...]
    """What its user should know, this time and whenever the same build is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    inputs: str
    content: str
    """Digest of the release as it was written."""
    built: Built


def builds_folder(cache: Path) -> Path:
    """Where records lie."""
    return cache / "builds"


class BuildRecord:
    """What is remembered of one build: made before anything is read from its inputs, saved when it is done.

    One build is remembered for each folder that a release is written to.

    Args:
        inputs: everything that can change the release.
        out: folder of the release.
        cache: the user's cache folder.
    """

    def __init__(self, inputs: Inputs, out: Path, cache: Path) -> None:
        self._began_ns = time.time_ns()
        self._inputs = inputs
        self._snapshot = _taken(inputs)
        self._out = out
        self._key = sha256_bytes(os.fsencode(out.absolute()))
        self._notes = Notes(builds_folder(cache), _MOST)
        self._digests = FolderDigests(out / FILES, cache / "digests")

    def find(self) -> Built | None:
        """The report of the same build, if its release still lies there, whole."""
        try:
            record = from_json(_Record, self._notes.read(self._key) or b"", "a build's record")
        except InputError:
            return None
        if (
            self._snapshot is None
            or record.inputs != self._digest_of(self._snapshot)
            or record.content != self._release()
        ):
            return None
        release = dataclasses.replace(record.built.release, from_cache=True)
        return dataclasses.replace(record.built, release=release)

    def save(self, built: Built) -> None:
        """Remember it, unless an input changed meanwhile or just before. Best effort."""
        snapshot, release = _taken(self._inputs), self._release()
        settled = snapshot is not None and snapshot.newest_ns < self._began_ns - SETTLED_NS
        if snapshot is None or snapshot != self._snapshot or not settled or not release:
            return
        record = _Record(inputs=self._digest_of(snapshot), content=release, built=built)
        self._notes.write(self._key, to_json(record))

    def _digest_of(self, snapshot: Snapshot) -> str:
        return sha256_bytes(json.dumps([snapshot.digest, *self._inputs.words]).encode())

    def _release(self) -> str:
        """A digest of the whole release as it lies there; empty where there is none."""
        try:
            entries = self._digests.entries()
            written = [(self._out / name).read_bytes() for name in (MANIFEST, SIGNATURE, PROVENANCE)]
        except OSError:
            return ""
        return "" if entries is None else _digest(entries, written)


def _taken(inputs: Inputs) -> Snapshot | None:
    try:
        return take_snapshot(inputs.folders, inputs.files)
    except OSError:
        return None


def _digest(entries: Iterable[FileEntry], written: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for content in written:
        whole.update(hashlib.sha256(content).digest())
    for entry in entries:
        whole.update(f"{entry.path}\0{entry.sha256}\0{entry.executable}\n".encode())
    return whole.hexdigest()
