"""Releases that went to devices from this machine, kept: what comes next is sent as patches of them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.host.cache import Cache
from edgekit.host.link.delta.files import ReleaseFiles
from edgekit.host.link.delta.patch_set import PATCHES, PatchSets
from edgekit.host.release.folder import ReleaseFolder, open_release
from edgekit.host.release.names import FILES, MANIFEST, PROVENANCE
from edgekit.host.workflow.shipment import Deltas, outgoing_release
from edgekit.host.workflow.workstation import Workstation

RELEASES = "releases"
"""The kind's name in the cache."""


class PastReleases:
    """The kept releases, by digest."""

    def __init__(self, cache: Cache) -> None:
        """Keep them in a cache of kind `RELEASES`."""
        self._cache = cache

    def first_of(self, digests: Iterable[str]) -> ReleaseFiles | None:
        """The first of these releases that is here, whole; None where none is."""
        for digest in digests:
            with contextlib.suppress(EdgekitError, OSError):
                cached = self._cache.take(digest)
                if cached is not None:
                    found = outgoing_release(open_release(cached.folder))
                    if found.digest == digest:
                        return found
        return None

    def keep(self, release: ReleaseFolder) -> None:
        """Keep a release that a device took. Its files get a second name, where that is possible: no space is used.

        What cannot be kept, as on a full disk, costs patches and nothing else.
        """
        if self._cache.has(release.digest):
            return
        title = f"{release.manifest.application} {release.manifest.version} for {release.manifest.target}"
        with contextlib.suppress(OSError, EdgekitError):
            self._cache.get(release.digest, lambda folder: _fill(folder, release), title)


def past_releases(station: Workstation) -> PastReleases:
    """This machine's."""
    return PastReleases(Cache(station.settings.cache_dir / RELEASES, station.progress))


def deltas_of(station: Workstation) -> Deltas:
    """Patches between the releases that this machine has; it keeps those that it makes."""
    sets = PatchSets(Cache(station.settings.cache_dir / PATCHES, station.progress), station.progress)
    return Deltas(find=past_releases(station).first_of, patches=sets.get)


def _fill(folder: Path, release: ReleaseFolder) -> None:
    (folder / MANIFEST).write_bytes(release.manifest_bytes)
    if release.provenance:
        (folder / PROVENANCE).write_bytes(release.provenance)
    for entry in release.manifest.files:
        file, kept = release.file(entry), folder / FILES / entry.path
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, kept, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
            shutil.copyfile(file, kept)
