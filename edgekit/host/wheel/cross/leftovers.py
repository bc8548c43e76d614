"""What of the cache is not needed any more: left by builds that were cut off, or unused for long."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgekit.host.wheel.cross.places import Places

_DAY_S = 86400.0


def remove_leftovers(places: Places, unused_days: float, now_s: float) -> int:
    """Remove what can be made or fetched again.

    Work folders go if no build holds them; source packages, logs and the compiler's cache if they are as old as said.

    Returns:
        Bytes that were freed.
    """
    old = (path for path in _aged(places) if now_s - path.stat().st_mtime >= unused_days * _DAY_S)
    return sum(_remove(path) for path in [*_abandoned(places.work), *old])


def _abandoned(work: Path) -> Iterator[Path]:
    """Folders of builds that nobody works in, and what was made aside and never renamed."""
    for lock in work.glob("*.lock"):
        with lock.open() as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            folder = lock.with_suffix("")
            if folder.is_dir():
                yield folder


def _aged(places: Places) -> Iterator[Path]:
    for folder in (places.sources, places.logs):
        yield from folder.glob("*")
    for folder in (places.wheels, places.toolchains, places.pythons, places.compilers, places.roots):
        yield from folder.glob(".aside-*")
    yield from (places.root / "zig-objects").glob("?/*")


def _remove(path: Path) -> int:
    if not path.is_dir():
        size = path.stat().st_size
        path.unlink(missing_ok=True)
        return size
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    shutil.rmtree(path, ignore_errors=True)
    return size
