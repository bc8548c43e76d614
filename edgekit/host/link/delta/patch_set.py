"""The patches from one release to another: made once on this machine, kept for all devices that make that step."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.cache import Cache
from edgekit.host.link.delta.files import Patch, ReleaseFiles
from edgekit.host.link.delta.lzma_patch import make_patch
from edgekit.host.link.delta.matching import MAX_PACKED_BYTES, PatchJob, looks_alike, patch_jobs
from edgekit.host.progress import Progress
from edgekit.schema.patch import PATCH_NAME_CHARS
from edgekit.schema.units import counted

PATCHES = "patches"
"""The kind's name in the cache."""
_VERSION = 3
"""Of how patches are made and chosen: part of the key."""
_NO_BASE = "none"
_AT_ONCE = 2
"""Each takes up to twelve times its base's size while it is made."""
_LINE_BYTES = 200
"""What the request around a patch takes more than the one around a piece of a file."""
_SAMPLE, _WORTH = 64 << 10, 0.95
"""A file whose beginning zlib makes no smaller than that is not packed."""
_SURELY_LESS = 0.1
"""A patch of so small a part of its file needs no comparing."""


class PatchSets:
    """Makes and keeps them."""

    def __init__(self, cache: Cache, progress: Progress) -> None:
        """Keep them in a cache of kind `PATCHES`."""
        self._cache = cache
        self._progress = progress

    def get(self, old: ReleaseFiles | None, new: ReleaseFiles) -> Mapping[str, Patch]:
        """The patches by the digest of what they make. A file that has none is sent whole.

        Args:
            old: the release that a device has; None packs the files of the new one.
            new: the release that it shall get.
        """
        key = f"{_VERSION}-{old.digest[:32] if old else _NO_BASE}-{new.digest[:32]}"
        title = f"{new.manifest.application} {old.manifest.version if old else _NO_BASE} to {new.manifest.version}"
        cached = self._cache.get(key, lambda folder: self._make(folder, old, new), title)
        return {patch.sha256: patch for patch in map(_read, cached.folder.iterdir())}

    def _make(self, folder: Path, old: ReleaseFiles | None, new: ReleaseFiles) -> None:
        jobs = sorted(patch_jobs(old.manifest if old else None, new.manifest), key=lambda job: job.new.bytes)
        text = f"making patches for {counted(len(jobs), 'file')} of {new.manifest.application}"
        with self._progress.amount(text, sum(job.new.bytes for job in jobs)) as advance:

            def one(job: PatchJob) -> int:
                # What is not there is told where it is sent; what finds no memory to be made needs not be made.
                with contextlib.suppress(OSError, InputError, MemoryError):
                    _make_one(folder, job, old, new)
                return job.new.bytes

            with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
                for done_bytes in pool.map(one, jobs):
                    advance(done_bytes)


def _make_one(folder: Path, job: PatchJob, old: ReleaseFiles | None, new: ReleaseFiles) -> None:
    content = _content(new, job.new.path, job.new.sha256)
    base, patch = "", None
    if old is not None and job.base is not None:
        before = _content(old, job.base.path, job.base.sha256)
        if looks_alike(before, content):
            base, patch = job.base.sha256, make_patch(before, content)
    if (
        patch is None
        and len(content) <= MAX_PACKED_BYTES
        and len(zlib.compress(content[:_SAMPLE], 1)) < _WORTH * min(len(content), _SAMPLE)
    ):
        base, patch = "", make_patch(b"", content)
    if patch is not None and _is_least(patch, content):
        name = hashlib.sha256(patch).hexdigest()[:PATCH_NAME_CHARS]
        (folder / f"{job.new.sha256}.{base or _NO_BASE}.{name}").write_bytes(patch)


def _is_least(patch: bytes, content: bytes) -> bool:
    """Whether a patch is less than the file whole, as that would be sent."""
    size = len(patch) + _LINE_BYTES
    return size < _SURELY_LESS * len(content) or size < len(zlib.compress(content, 4))


def _content(release: ReleaseFiles, path: str, sha256: str) -> bytes:
    """A file's content, if it is what the manifest says: else nothing is made of it.

    Raises:
        InputError: it is something else.
        OSError: it is not there.
    """
    content = release.file(path).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path} is not what its release says", hint="build the release again")
    return content


def _read(file: Path) -> Patch:
    sha256, base, name = file.name.split(".")
    base = "" if base == _NO_BASE else base
    return Patch(sha256=sha256, base=base, name=name, file=file, bytes=file.stat().st_size)
