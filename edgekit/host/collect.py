"""Empties caches: what nobody has used for long goes, then the longest unused until the rest is small enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgekit.host.cache import Entry
from edgekit.host.scratch import Scratch


class CacheKind(Protocol):
    """Entries of one kind: `Cache`, `Notes` or `Scratch`."""

    kind: str

    def entries(self) -> tuple[Entry, ...]:
        """All of them."""

    def check(self, key: str) -> str | None:
        """What is wrong with one, its every byte read; empty where it is whole, None where it has no digest."""

    def drop(self, entry: Entry, unused_since_s: float) -> int:
        """Throw one away unless it was used since; give the bytes that were freed."""

    def sweep(self) -> int:
        """Remove what was never finished; give the bytes that were freed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """What may stay."""

    older_than_s: float | None = None
    """What was unused for so long goes, in seconds; None: age does not count."""
    max_bytes: int | None = None
    """Of all entries together; None: size does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptied:
    """What was thrown away."""

    entries: tuple[Entry, ...]
    freed_bytes: int
    in_use: int
    """Entries that would have gone, but that somebody uses."""


def collect(
    kinds: Sequence[CacheKind],
    limits: CacheLimits,
    now_s: float,
    oldest_use_s: float | None,
    needed: Callable[[Entry], bool] = lambda _: False,
) -> Emptied:
    """Throw entries away. What a running command may use stays: it was used since that command began.

    Args:
        kinds: where to look.
        limits: what may stay.
        now_s: seconds since the epoch.
        oldest_use_s: since when the longest running command uses the cache; None: nobody does.
        needed: entries that something else hangs on, whatever their age.
    """
    unused_since_s = now_s if oldest_use_s is None else min(now_s, oldest_use_s)
    freed = sum(kind.sweep() for kind in kinds)
    of_kind = {kind.kind: kind for kind in kinds}
    found = [entry for kind in kinds for entry in kind.entries() if not needed(entry)]
    gone: list[Entry] = []
    in_use = 0
    for entry in _chosen(found, limits, now_s):
        kind = of_kind[entry.kind]
        busy = entry.used_s >= unused_since_s or (isinstance(kind, Scratch) and oldest_use_s is not None)
        size = 0 if busy else kind.drop(entry, unused_since_s)
        if not busy and not entry.path.exists():
            gone.append(entry)
            freed += size
        else:
            in_use += 1
    return Emptied(entries=tuple(gone), freed_bytes=freed, in_use=in_use)


def _chosen(found: list[Entry], limits: CacheLimits, now_s: float) -> list[Entry]:
    """What should go, the longest unused first. What is no whole entry, with a last use of 0, always does."""
    ordered = sorted(found, key=lambda entry: entry.used_s)
    left = sum(entry.bytes for entry in ordered)
    chosen = []
    for entry in ordered:
        old = limits.older_than_s is not None and now_s - entry.used_s >= limits.older_than_s
        if old or not entry.used_s or (limits.max_bytes is not None and left > limits.max_bytes):
            chosen.append(entry)
            left -= entry.bytes
    return chosen
