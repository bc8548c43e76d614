"""Releases that may have rotted: read whole, and not believed once they were found damaged."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Collection

from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.release_files import damage_of, flaws_of

_NICE = 19
"""The least that a thread can have of processors, and of a disk whose scheduler goes by it: cameras come first."""


class Doubts:
    """What is wrong with releases: by sizes at any time, by contents once they were read. For any thread."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._damaged: dict[str, tuple[str, ...]] = {}
        self._whole: frozenset[str] = frozenset()
        """Releases that were read, and nothing was wrong with them, since this keeper's start."""

    def flaws(self, digest: str) -> tuple[str, ...]:
        """What of a release is missing, has another size, or was found damaged. Contents are not read now."""
        return self._damaged.get(digest) or flaws_of(self._layout.release(digest), digest)

    def damage(self, digest: str, alive: Callable[[], None] = lambda: None) -> tuple[str, ...]:
        """What is wrong with a release; reads every file of it, and calls `alive` before each. Raises OSError."""
        found = self.flaws(digest) or damage_of(self._layout.release(digest), alive)
        self._whole = self._whole - {digest} if found else self._whole | {digest}
        return found

    def unread_damage(self, digest: str) -> tuple[str, ...]:
        """What is wrong with a release; reads it unless that was done since this keeper's start. Raises OSError."""
        return self.flaws(digest) if digest in self._whole else self.damage(digest)

    def distrust(self, digest: str, found: tuple[str, ...]) -> None:
        """Count a release as not whole, for what is wrong with it, until it is laid out anew."""
        self._damaged = {**self._damaged, digest: found}

    def laid_out(self, digest: str) -> None:
        """A release was laid out anew, of files that were read."""
        self._damaged = {other: found for other, found in self._damaged.items() if other != digest}
        self._whole = frozenset(one for one in self._whole if self._layout.release(one).is_dir()) | {digest}


class Examination:
    """One look at some releases, on a thread of its own as it may take long: the keeper's loop looks in later."""

    def __init__(self, digests: Collection[str], look: Callable[[str], tuple[str, ...]]) -> None:
        """Begin.

        Args:
            digests: of the releases.
            look: gives what is wrong with one; for any thread, and raises nothing but OSError.

        Raises:
            RuntimeError: there is no thread to be had.
        """
        self._look = look
        self._digests = tuple(digests)
        self._found: dict[str, tuple[str, ...]] = {}
        self._thread = threading.Thread(target=self._run, name="examine", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether it has come to its end."""
        return not self._thread.is_alive()

    def wrong_with(self, digest: str) -> tuple[str, ...] | None:
        """What is wrong with a release, once it is over; None where that could not be seen."""
        return self._found.get(digest)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        for digest in self._digests:
            try:
                self._found[digest] = self._look(digest)
            except OSError:
                return
