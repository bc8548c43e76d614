"""What no application needs any more goes, whatever of it does not go at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.claims import Claims
from edgekit.device.keeper.update.release_files import MANIFEST
from edgekit.device.keeper.update.removal import take_apart
from edgekit.device.keeper.update.store import Store

UNFINISHED = ".tmp"
"""Ends the name of a release's folder that is being made or removed."""
AGAIN_S = 60.0
"""After a clearing out that left something behind, until the next client that comes by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Which releases the board's applications need."""

    digests: Collection[str]
    lost: Collection[str] = ()
    """Applications whose state is lost: none of their releases may be removed."""


class ClearingOut:
    """Removes releases and blobs below one prefix."""

    def __init__(self, layout: Layout, disk: Filesystem, store: Store, claims: Claims) -> None:
        """Remove nothing yet.

        Args:
            layout: where things lie.
            disk: the way there.
            store: whose unused blobs go too, and whose clock counts.
            claims: of deployments under way.
        """
        self._layout, self._disk, self._store, self._claims = layout, disk, store, claims
        self._again_at_s: float | None = None

    @property
    def overdue(self) -> bool:
        """Whether the last time left something behind that should go, and was a while ago."""
        return self._again_at_s is not None and self._store.clock() >= self._again_at_s

    def collect(self, references: Callable[[], References]) -> None:
        """Remove releases that no application needs, what was left half done, and the blobs that are then unused.

        What a deployment under way has claimed stays; no other claims anything meanwhile. What does not go holds up
        nothing else, and is `overdue` later.

        Args:
            references: which releases are needed, asked once the claims stand still.

        Raises:
            OSError: something did not go.
        """
        self._again_at_s = self._store.clock() + AGAIN_S
        stuck: list[OSError] = []
        with self._claims.all() as (releases, blobs):
            found = references()
            kept = {*releases, *found.digests}
            for name in self._disk.names(self._layout.releases_dir):
                folder = self._layout.release(name)
                if folder.name.partition(".")[0] not in kept and not self._is_of(folder, found.lost):
                    try:
                        self.remove(folder)
                    except OSError as error:
                        stuck.append(error)
            self._store.collect(blobs)
        if stuck:
            raise stuck[0]
        self._again_at_s = None

    def remove(self, folder: Path) -> None:
        """Remove a folder that, from its first file on, no longer passes for a release, whenever the power goes.

        Raises:
            OSError: it does not go.
        """
        if folder.suffix != UNFINISHED:
            aside = folder.with_name(f"{folder.name}.gone{UNFINISHED}")
            take_apart(self._disk, aside)
            self._disk.rename(folder, aside)
            self._disk.sync_folder(self._layout.releases_dir)
            folder = aside
        take_apart(self._disk, folder)

    def _is_of(self, folder: Path, applications: Collection[str]) -> bool:
        """Whether a whole release is one of these applications'."""
        if not applications or folder.suffix == UNFINISHED:
            return False
        try:
            return json.loads((folder / MANIFEST).read_bytes())["application"] in applications
        except (OSError, ValueError, KeyError, TypeError):
            return False
