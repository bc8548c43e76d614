"""Inputs of a release as in-toto describes them: files, folders, packages. Pure but for reading files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packageurl import PackageURL

from edgekit.errors import InputError
from edgekit.host.git import GitState
from edgekit.host.snapshot import stat_numbers, walk
from edgekit.schema.provenance import MAX_CHANGED, Resource
from edgekit.schema.units import counted
from edgekit.trust import sha256_file

MOST_FILES = 64
"""A folder with more files than this is one input: a recipe may bring thousands of pictures."""
_MADE_BY_RUNNING = frozenset({"__pycache__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFiles:
    """Files with their digests, as they were when they were read."""

    folder: Path
    digests: Mapping[str, str]
    """SHA-256 by path below the folder."""
    stats: Mapping[str, list[int]]

    def check_unchanged(self) -> None:
        """Return if the files are still what was read. Raises InputError."""
        for path, before in self.stats.items():
            try:
                now = stat_numbers((self.folder / path).stat())
            except OSError:
                now = []
            if now != before:
                raise InputError(f"{self.folder / path} was changed while it was built", hint="build again")


def read_files(folder: Path, paths: Iterable[str]) -> ReadFiles:
    """Take the digests of files below a folder. Raises OSError."""
    wanted = sorted(set(paths))
    stats = {path: stat_numbers((folder / path).stat()) for path in wanted}  # first: what is changed later is seen
    return ReadFiles(folder=folder, digests={path: sha256_file(folder / path) for path in wanted}, stats=stats)


def file_resources(label: str, digests: Mapping[str, str]) -> tuple[Resource, ...]:
    """Files, each by its own name; where one folder has many, the folder as one.

    Args:
        label: goes before each name.
        digests: SHA-256 by path.
    """
    folders: dict[str, dict[str, str]] = {}
    for path, sha256 in sorted(digests.items()):
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, {})[name] = sha256
    return tuple(resource for folder, files in folders.items() for resource in _of_folder(label, folder, files))


def _of_folder(label: str, folder: str, files: Mapping[str, str]) -> Iterator[Resource]:
    where = f"{label}/{folder}".rstrip("/")
    if len(files) > MOST_FILES:
        yield Resource(
            name=f"{where}/",
            digest={"dirHash": directory_hash(files)},
            annotations={"files": counted(len(files), "file")},
        )
        return
    for name, sha256 in files.items():
        yield Resource(name=f"{where}/{name}", digest={"sha256": sha256})


def folder_resource(name: str, folder: Path, skipped: frozenset[str] = frozenset()) -> Resource:
    """A whole folder as one input. Raises OSError.

    Args:
        name: of the input.
        folder: what is read.
        skipped: names that are left out, on every level.
    """
    files = [path for path, _ in walk(folder, skipped | _MADE_BY_RUNNING) if (folder / path).is_file()]
    return Resource(name=name, digest={"dirHash": directory_hash({path: sha256_file(folder / path) for path in files})})


def directory_hash(digests: Mapping[str, str]) -> str:
    """What `find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum` gives.

    Source: in-toto, DigestSet, dirHash; Go, golang.org/x/mod/sumdb/dirhash, Hash1.
    """
    whole = hashlib.sha256()
    for path in sorted(digests, key=os.fsencode):
        whole.update(f"{digests[path]}  ".encode() + os.fsencode(path) + b"\n")
    return whole.hexdigest()


def package_url(name: str, version: str, kind: Literal["pypi", "deb"] = "pypi") -> str:
    """`pkg:pypi/numpy@2.4.6`, `pkg:deb/debian/libgcc-s1@12.2.0`. Source: purl-spec."""
    namespace = "debian" if kind == "deb" else None
    return PackageURL(type=kind, namespace=namespace, name=name, version=version).to_string()


def commit_resource(name: str, state: GitState) -> Resource:
    """The commit that a folder is at, and what differs from it; that nobody knows it, where that is so."""
    if not state.commit:
        return Resource(name=name, uri="urn:edgekit:no-commit", annotations={"unknown": state.unknown})
    more = len(state.changed) - MAX_CHANGED
    changed = "\n".join([*state.changed[:MAX_CHANGED], *([f"and {more} more"] if more > 0 else [])])
    annotations: dict[str, str | bool] = {"path": state.path, "dirty": bool(state.changed)}
    return Resource(
        name=name,
        uri=f"{state.remote}@{state.commit}" if state.remote else "",
        digest={"gitCommit": state.commit},
        annotations=annotations | ({"changed": changed} if changed else {}),
    )
