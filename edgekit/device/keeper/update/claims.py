"""What deployments need that are under way: another application's clearing out leaves it alone."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Claims:
    """Per connection one release, with its blobs: the one that it has offered or is about to activate."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._of: dict[object, tuple[str, Collection[str]]] = {}

    def put(self, owner: object, release: str, blobs: Collection[str] = ()) -> None:
        """Claim a release; what the connection claimed before is free, unless it is the same.

        Waits while somebody clears out: what is looked for afterwards stays there.
        """
        with self._guard:
            before, its_blobs = self._of.get(owner, ("", ()))
            self._of[owner] = release, blobs or (its_blobs if before == release else ())

    def drop(self, owner: object) -> None:
        """A connection has ended."""
        with self._guard:
            self._of.pop(owner, None)

    @contextmanager
    def all(self) -> Iterator[tuple[set[str], set[str]]]:
        """All releases and blobs that are claimed. Nothing is added inside."""
        with self._guard:
            claimed = self._of.values()
            yield {release for release, _ in claimed}, set().union(*(blobs for _, blobs in claimed))
