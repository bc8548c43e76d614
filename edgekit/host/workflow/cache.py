"""All that edgekit keeps in the user's cache: list it, check it, and throw away what nobody needs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import NothingSelected
from edgekit.host.board.records import BoardRecords
from edgekit.host.cache import Cache, Entry
from edgekit.host.cache_users import oldest_use_s
from edgekit.host.collect import CacheKind, CacheLimits, Emptied, collect
from edgekit.host.engine.store import ENGINES, MODELS, SPLITS, TIMINGS, WEIGHTS
from edgekit.host.link.delta.patch_set import PATCHES
from edgekit.host.notes import Notes
from edgekit.host.progress import Progress
from edgekit.host.scratch import Scratch
from edgekit.host.settings import Settings
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.workflow.past_releases import RELEASES

_MADE = ("sites", "images", "templates", "toolkits")
_LEFTOVERS = ("cross", "board", "in-use.lock", "crossbuild/zig-cache", "crossbuild/zig-objects")
"""Where earlier versions kept things."""


def kinds_of(settings: Settings) -> tuple[CacheKind, ...]:
    """Every kind of thing that is cached, by name."""
    return tuple(sorted(_kinds(settings.cache_dir, CrossPaths.of(settings)), key=lambda kind: kind.kind))


def _kinds(cache: Path, cross: CrossPaths) -> tuple[CacheKind, ...]:
    made = (cross.compilers, cross.libraries, cross.toolchains, cross.headers, cross.roots, cross.wheels)
    return (
        *map(Cache, (*made, cross.sources)),
        *(Cache(cache / name) for name in (*_MADE, ENGINES, MODELS, SPLITS, PATCHES, RELEASES)),
        *map(Notes, (cross.pins, cross.archive_answers)),
        *(Notes(cache / name) for name in ("locks", "builds", "digests", TIMINGS, WEIGHTS)),
        Scratch("work", cross.work, abandoned="left by a build that was cut off, or of one that runs"),
        Scratch("logs", cross.logs),
        Scratch("leftovers", cache, *_LEFTOVERS, abandoned="of an earlier edgekit"),
    )


def choose(kinds: tuple[CacheKind, ...], names: Iterable[str]) -> tuple[CacheKind, ...]:
    """The kinds of these names; all, where there are none.

    Raises:
        NothingSelected: there is no such kind.
    """
    wanted, known = set(names), {kind.kind for kind in kinds}
    if unknown := sorted(wanted - known):
        raise NothingSelected(
            f"nothing in the cache is of kind {unknown[0]!r}", hint=f"known: {', '.join(sorted(known))}"
        )
    return tuple(kind for kind in kinds if kind.kind in wanted or not wanted)


def list_cache(settings: Settings, names: Iterable[str] = ()) -> tuple[Entry, ...]:
    """All entries, by kind and key.

    Args:
        settings: the user's.
        names: of kinds; none: all.
    """
    return tuple(entry for kind in choose(kinds_of(settings), names) for entry in kind.entries())


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedEntry:
    """An entry that is not what was put into the cache."""

    entry: Entry
    reason: str
    removed: bool
    """It is made again when it is needed next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCache:
    """What a check of the cache found."""

    entries: int
    """How many were read and compared."""
    bytes: int
    """Of these."""
    damaged: tuple[DamagedEntry, ...]
    unchecked: tuple[Entry, ...]
    """What has no digest: logs, and what compilers keep for themselves."""


def verify_cache(
    settings: Settings, progress: Progress, *, repair: bool = False, names: Iterable[str] = ()
) -> CheckedCache:
    """Read every byte of the cache and compare it with the digest that its entry had when it was made.

    Args:
        settings: the user's.
        progress: is told how much has been read.
        repair: throw away what is damaged, unless a running command has used it since that command began.
        names: of kinds; none: all.

    Raises:
        NothingSelected: there is no such kind.
    """
    found = [(kind, entry) for kind in choose(kinds_of(settings), names) for entry in kind.entries()]
    oldest_s = oldest_use_s(settings.cache_dir)
    unused_since_s = time.time() if oldest_s is None else oldest_s
    damaged, unchecked = [], []
    with progress.amount("reading the cache", sum(entry.bytes for _, entry in found)) as advance:
        for kind, entry in found:
            reason = kind.check(entry.key)
            if reason is None:
                unchecked.append(entry)
            elif reason:
                if repair:
                    kind.drop(entry, unused_since_s)
                removed = repair and not os.path.lexists(entry.path)
                damaged.append(DamagedEntry(entry=entry, reason=reason, removed=removed))
            advance(entry.bytes)
    return CheckedCache(
        entries=len(found) - len(unchecked),
        bytes=sum(entry.bytes for _, entry in found) - sum(entry.bytes for entry in unchecked),
        damaged=tuple(damaged),
        unchecked=tuple(unchecked),
    )


def collect_cache(
    settings: Settings, *, older_than_s: float | None, max_bytes: int | None, names: Iterable[str] = ()
) -> Emptied:
    """Throw away what was unused for long, then the longest unused until the rest is small enough.

    What a running command uses stays, and what boards hang on.

    Args:
        settings: the user's.
        older_than_s: how long, in seconds; None: age does not count.
        max_bytes: of all entries that are left; None: size does not count.
        names: of kinds; none: all.
    """
    now_s = time.time()
    limits = CacheLimits(older_than_s=older_than_s, max_bytes=max_bytes)
    needed, kinds = BoardRecords(settings).needed(), choose(kinds_of(settings), names)
    return collect(
        kinds,
        limits,
        now_s,
        oldest_use_s(settings.cache_dir),
        lambda entry: any(path.is_relative_to(entry.path.absolute()) for path in needed),
    )
