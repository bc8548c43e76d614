"""Holds a release against one that was made once more: are the inputs the same, and is every byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from edgekit.host.release.folder import ReleaseFolder
from edgekit.host.release.names import FILES, MANIFEST
from edgekit.schema.manifest import FileEntry
from edgekit.schema.provenance import EDGEKIT_SOURCE, SOURCE, BuildDefinition, Resource
from edgekit.schema.reader import to_raw

_CHUNK_BYTES = 1 << 20
_NO_INPUTS = frozenset({"path", "builder", "fleet", "sandbox"})
"""Parameters that tell where, for whom and how safely it was built, not what from."""
_COMMITS = frozenset({SOURCE, EDGEKIT_SOURCE})
"""A commit says where files are from, not what is in them: another one may hold the same."""


def input_differences(release: BuildDefinition, here: BuildDefinition) -> tuple[str, ...]:
    """What a second build started from that the release was not made from, in words; files of the recipe first."""
    return (*_dependencies(release, here), *_parameters(release, here))


def _parameters(release: BuildDefinition, here: BuildDefinition) -> Iterator[str]:
    for kind in ("externalParameters", "internalParameters"):
        before, now = to_raw(getattr(release, kind)), to_raw(getattr(here, kind))
        for name in before:
            if before[name] != now[name] and name not in _NO_INPUTS:
                yield f"{name}: {before[name] or 'none'} made the release, here it is {now[name] or 'none'}"


def _dependencies(release: BuildDefinition, here: BuildDefinition) -> Iterator[str]:
    before, now = (_by_name(one.resolvedDependencies) for one in (release, here))
    for name, resource in before.items():
        if name not in now:
            yield f"{name}: the release was made from it, here it is not used"
        elif words := _changed(resource, now[name]):
            yield f"{name}: {words}"
    yield from (f"{name}: the release was made without it" for name in now if name not in before)


def _by_name(resources: tuple[Resource, ...]) -> dict[str, Resource]:
    return {one.name: one for one in resources if one.name not in _COMMITS}


def _changed(before: Resource, now: Resource) -> str:
    if before.digest != now.digest:
        return f"{_digest(before)} made the release, here it is {_digest(now)}"
    if before.uri != now.uri:
        return f"{before.uri} made the release, here it is {now.uri}"
    return ""


def _digest(resource: Resource) -> str:
    return ", ".join(f"{kind} {value[:12]}" for kind, value in resource.digest.items()) or "one without a digest"


def commit_differences(release: BuildDefinition, here: BuildDefinition) -> tuple[str, ...]:
    """Where the inputs were from, and where they are from here, where that is not the same clean commit."""
    now = {one.name: one for one in here.resolvedDependencies}
    before = [one for one in release.resolvedDependencies if one.name in _COMMITS]
    return tuple(
        f"{one.name}: {_both_commits(describe_commit(one), describe_commit(now[one.name]))}"
        for one in before
        if one.name in now and not (_is_clean(one) and _is_clean(now[one.name]) and one.digest == now[one.name].digest)
    )


def _both_commits(before: str, now: str) -> str:
    return f"{before}, in both builds" if before == now else f"{before} made the release, here it is {now}"


def _is_clean(commit: Resource) -> bool:
    return commit.annotations.get("dirty") is False


def describe_commit(resource: Resource) -> str:
    """`commit 1a2b3c4d5e6f, with changes in recipe.toml`."""
    if not resource.digest:
        return f"no commit ({resource.annotations.get('unknown', '')})"
    commit = f"commit {resource.digest.get('gitCommit', '')[:12]}"
    changed = str(resource.annotations.get("changed", "")).split("\n")
    if not resource.annotations.get("dirty"):
        return commit
    return f"{commit} with changes in {', '.join(changed[:3])}{' ...' if len(changed) > 3 else ''}"


class Remade:
    """A release that was made once more, before it has a folder.

    Args:
        manifest: its bytes.
        files: what it lists.
        paths: where the content of files lies.
        texts: content that was made in memory.
    """

    def __init__(
        self, manifest: bytes, files: tuple[FileEntry, ...], paths: dict[str, Path], texts: dict[str, bytes]
    ) -> None:
        self.manifest = manifest
        self._files = {entry.path: entry for entry in files}
        self._paths = paths
        self._texts = texts

    def first_difference(self, release: ReleaseFolder) -> str:
        """Where the release differs first, in words; empty where every byte is the same.

        What is made in memory, the SBOM and the plan, comes last: it differs because something else does.
        """
        theirs = {entry.path: entry for entry in release.manifest.files}
        for path in sorted(theirs.keys() | self._files.keys(), key=lambda path: (path in self._texts, path)):
            there, here = theirs.get(path), self._files.get(path)
            if there is None or here is None:
                return f"{FILES}/{path}: " + ("is not in the release" if there is None else "is in the release alone")
            if there.sha256 != here.sha256:
                return f"{FILES}/{path}: {self._first_byte(release.file(there), path)}"
            if there != here:
                return (
                    f"{FILES}/{path}: is executable in {'the release' if there.executable else 'what was made'} alone"
                )
        if release.manifest_bytes != self.manifest:
            return f"{MANIFEST}: {_first_key(release.manifest_bytes, self.manifest)}"
        return ""

    def _first_byte(self, file: Path, path: str) -> str:
        text = self._texts.get(path)
        with file.open("rb") as theirs, self._paths[path].open("rb") if text is None else BytesIO(text) as ours:
            return f"differs from byte {_first_offset(theirs, ours)} on"


def _first_offset(one: BinaryIO, other: BinaryIO) -> int:
    """Where two files differ first; their size where they do not."""
    offset = 0
    while True:
        a, b = one.read(_CHUNK_BYTES), other.read(_CHUNK_BYTES)
        if a != b or not a:
            pairs = enumerate(zip(a, b, strict=False))
            return offset + next((index for index, (x, y) in pairs if x != y), min(len(a), len(b)))
        offset += len(a)


def _first_key(one: bytes, other: bytes) -> str:
    """The first key of two manifests that has another value."""
    before, now = json.loads(one), json.loads(other)
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    return f"{changed[0]} is another" if changed else "is written in another way"
