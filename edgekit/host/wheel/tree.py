"""Folders of files that are laid out once, named by what they were made of, and kept in the cache with their index."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError, WheelError
from edgekit.schema.manifest import FileEntry, is_safe_path
from edgekit.schema.reader import from_json, to_json
from edgekit.trust import sha256_file

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A laid-out folder. Nobody writes into it any more."""

    folder: Path
    files: tuple[FileEntry, ...]
    """Sorted by path."""
    from_cache: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    files: tuple[FileEntry, ...]


def cached_tree(trees: Path, digest: str, fill: Callable[[Path], None]) -> Tree:
    """The tree of that digest: from the cache, or filled by `fill` and kept.

    Two builds may do this at once: each fills a folder of its own, and the first to be done is kept.
    """
    kept = trees / digest
    tree = _read(kept, from_cache=True)
    if tree is not None:
        return tree
    trees.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=trees, prefix=".aside-", ignore_cleanup_errors=True) as aside:
        made = Path(aside, "made")
        (made / "files").mkdir(parents=True)
        fill(made / "files")
        index = _Index(files=tuple(_entries(made / "files")))
        (made / "index.json").write_bytes(to_json(index))
        _keep(made, kept)
    tree = _read(kept, from_cache=False)
    assert tree is not None
    return tree


def _keep(made: Path, kept: Path) -> None:
    try:
        made.rename(kept)
    except OSError:
        if _read(kept, from_cache=True) is None:  # left by a build that was cut off, or emptied by somebody
            shutil.rmtree(kept, ignore_errors=True)
            made.rename(kept)


def _read(kept: Path, *, from_cache: bool) -> Tree | None:
    try:
        index = from_json(_Index, (kept / "index.json").read_bytes(), str(kept / "index.json"))
    except (OSError, InputError):
        return None
    if from_cache:
        with contextlib.suppress(OSError):  # in a cache that is read-only
            os.utime(kept / "index.json")
    return Tree(folder=kept / "files", files=index.files, from_cache=from_cache)


def unused_trees(trees: Path, unused_days: float, now_s: float) -> tuple[Path, ...]:
    """Folders of trees that nobody used for so many days, and of what is none.

    Args:
        trees: folder of the cache that keeps them.
        unused_days: how long.
        now_s: seconds since the epoch.
    """
    folders = [path for path in sorted(trees.glob("*")) if path.is_dir() and not path.name.startswith(".")]
    return tuple(path for path in folders if now_s - _used_s(path) >= unused_days * _DAY_S)


def _used_s(kept: Path) -> float:
    """When it was last used; 0 of what was cut off."""
    try:
        return (kept / "index.json").stat().st_mtime
    except OSError:
        return 0.0


def _entries(folder: Path) -> list[FileEntry]:
    entries = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode) or not is_safe_path(relative):
                raise WheelError(f"{relative!r} of a package cannot travel", hint="leave that package out")
            executable = bool(found.st_mode & stat.S_IXUSR)
            digest = sha256_file(path)
            entries.append(FileEntry(path=relative, sha256=digest, bytes=found.st_size, executable=executable))
    return sorted(entries, key=lambda entry: entry.path)
