"""What of the cache is not needed any more: left by builds that were cut off, or unused for long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgekit.host.cache_users import remove_all
from edgekit.host.wheel.cross.places import Places

_DAY_S = 86400.0
_HALF_MADE = (".aside-*", ".part-*", ".warm-*", ".trial-*", "tmp*")
"""What a program that is killed leaves of folders and files that it makes aside, the compiler's warm-up included."""


def remove_leftovers(places: Places, unused_days: float, now_s: float) -> int:
    """Remove what can be made or fetched again. Nobody else uses the cache meanwhile: see `cache_use.emptying`.

    Work folders and what is half made go; source packages, logs and the compiler's cache if they are as old as said.

    Returns:
        Bytes that were freed.
    """
    old = (path for path in _aged(places) if now_s - path.lstat().st_mtime >= unused_days * _DAY_S)
    return remove_all([*_abandoned(places), *old])


def _abandoned(places: Places) -> Iterator[Path]:
    """Folders of builds that were cut off, and what was made aside and never renamed."""
    yield from (path for path in places.work.glob("*") if path.is_dir())
    kept = (places.root, places.wheels, places.toolchains, places.pythons, places.compilers, places.roots)
    for folder in (*kept, places.sources, *places.sources.glob("*"), places.cache / "sites"):
        for pattern in _HALF_MADE:
            yield from folder.glob(pattern)


def _aged(places: Places) -> Iterator[Path]:
    for folder in (places.sources, places.logs):
        yield from (path for path in folder.glob("*") if not path.name.startswith("."))
    yield from (places.root / "zig-objects").glob("?/*")
