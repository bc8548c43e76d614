"""Which older file a newer one is made from: found by its name, without versions and hashes. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgekit.schema.manifest import FileEntry, Manifest
from edgekit.schema.patch import MAX_BASE_BYTES, MAX_PATCHED_BYTES

MAX_PACKED_BYTES = 32 << 20
"""A larger file without a base travels as it is read: packing it well takes longer than it saves."""
_CHANGING = re.compile(r"-[0-9a-f]{8}(?=[.-])|[-.]?[0-9]+(\.[0-9]+)+")
"""What a new version changes in a name: `libfoo-1a2b3c4d.so.1.2.3`, `numpy-2.2.4.dist-info`."""
_SAMPLES, _SAMPLE_BYTES = 100, 8
_ALIKE = 0.02
"""Of the samples: two independent files share next to none, weights that were nudged a little some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchJob:
    """A file that changed, and what it may be made from."""

    new: FileEntry
    base: FileEntry | None
    """None: nothing there resembles it by name."""


def patch_jobs(old: Manifest | None, new: Manifest) -> tuple[PatchJob, ...]:
    """The files of a release that another one does not have, each once, with their bases.

    Args:
        old: of the release that a device has; None: of none.
        new: of the one that it shall get.
    """
    had = tuple(old.files) if old else ()
    bases, there = _Bases(had), {entry.sha256 for entry in had}
    changed = {entry.sha256: entry for entry in new.files if entry.bytes and entry.sha256 not in there}
    return tuple(
        PatchJob(new=entry, base=bases.find(entry.path))
        for entry in changed.values()
        if entry.bytes <= MAX_PATCHED_BYTES
    )


def looks_alike(base: bytes, new: bytes) -> bool:
    """Whether a patch is worth trying: bytes from random places of the new file stand somewhere in the old one."""
    last = len(new) - _SAMPLE_BYTES
    if last < _SAMPLES * _SAMPLE_BYTES:
        return True
    places = random.Random(len(new)).choices(range(last), k=_SAMPLES)  # noqa: S311  the same each time
    found = sum(new[at : at + _SAMPLE_BYTES] in base for at in places)
    return found >= _ALIKE * _SAMPLES


class _Bases:
    """Files by path, by path without what changes, and by name without that: the first that fits is the base."""

    def __init__(self, entries: Iterable[FileEntry]) -> None:
        usable = [entry for entry in entries if 0 < entry.bytes <= MAX_BASE_BYTES]
        self._by_path = {entry.path: entry for entry in usable}
        self._by_kept_path = {_CHANGING.sub("~", entry.path): entry for entry in usable}
        self._by_name = {_name(entry.path): entry for entry in usable}

    def find(self, path: str) -> FileEntry | None:
        return (
            self._by_path.get(path)
            or self._by_kept_path.get(_CHANGING.sub("~", path))
            or self._by_name.get(_name(path))
        )


def _name(path: str) -> str:
    return _CHANGING.sub("~", path.rpartition("/")[2])
