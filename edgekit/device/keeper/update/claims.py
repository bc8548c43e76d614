"""What deployments need that are under way: another application's clearing out leaves it alone."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgekit.errors import LockHeld

MAX_MANIFESTS_BYTES = 3 << 20
"""Of all claims together, unless there is but one; read, a manifest takes four times as much memory."""


@dataclass(frozen=True, slots=True)
class _Claim:
    release: str
    blobs: Collection[str]
    manifest_bytes: int


class Claims:
    """Per connection one release, with its blobs: the one that it has offered or is about to activate."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._of: dict[object, _Claim] = {}

    def put(self, owner: object, release: str, blobs: Collection[str] = (), manifest_bytes: int = 0) -> None:
        """Claim a release; what the connection claimed before is free, unless it is the same.

        Waits while somebody clears out: what is looked for afterwards stays there.

        Args:
            owner: the connection.
            release: the release's digest.
            blobs: its blobs; none: those that it was claimed with before.
            manifest_bytes: size of its manifest, which is held as long.

        Raises:
            LockHeld: the manifests of other connections' releases leave no room for it.
        """
        with self._guard:
            before = self._of.get(owner)
            if not blobs and before and before.release == release:
                return
            others = sum(claim.manifest_bytes for other, claim in self._of.items() if other is not owner)
            if others and others + manifest_bytes > MAX_MANIFESTS_BYTES:
                raise LockHeld(
                    "other releases are being deployed, as many as the keeper holds at once",
                    hint="try again when they are done",
                )
            self._of[owner] = _Claim(release, blobs, manifest_bytes)

    def drop(self, owner: object) -> None:
        """A connection has ended."""
        with self._guard:
            self._of.pop(owner, None)

    @contextmanager
    def all(self) -> Iterator[tuple[set[str], set[str]]]:
        """All releases and blobs that are claimed. Nothing is added inside."""
        with self._guard:
            claimed = self._of.values()
            yield {claim.release for claim in claimed}, set().union(*(claim.blobs for claim in claimed))
