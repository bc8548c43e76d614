"""From requirements to exact wheels: by the recipe's lock, by one made earlier, or resolved anew.

Wheels that fit come from an index; a package without one is cross-built from its source package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.lock import (
    LockedFile,
    answers,
    build_lock,
    format_build_lock,
    format_lock,
    parse_build_lock,
    parse_lock,
)
from edgekit.host.wheel.missing import Missing, missing_from
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import parse_pylock
from edgekit.host.wheel.refusal import explain
from edgekit.host.wheel.uv import Uv
from edgekit.schema.manifest import WheelEntry

_MAX_ROUNDS = 20


class WheelMaker(Protocol):
    """Makes wheels of source packages: `cross.crossbuild.CrossBuilder`."""

    def wheel(self, source: Source, pins: str = "") -> Result:
        """The wheel of a source package, built with the given pins where they are not empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Exact wheels."""

    wheels: tuple[WheelEntry, ...]
    built: Mapping[str, Path]
    """Those that were built here, by name."""
    from_cache: bool
    """Whether a lock that was there answered, and nothing had to be built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFiles:
    """Where locks lie."""

    recipe: Path | None
    """The recipe's own lock for the target; it counts when it answers, and `update` writes it. None: there is none."""
    cache_dir: Path
    update: bool = False


def resolve(wanted: Wanted, files: LockFiles, uv: Uv, maker: WheelMaker, progress: Progress) -> Locked:
    """Find the wheels for `wanted`.

    Raises:
        WheelError: a package cannot be had or built, or fits nothing; or the index does not answer.
        InputError: a lock that was edited by hand.
    """
    made = files.cache_dir / "locks" / f"{wanted.digest}.txt"
    if not files.update:
        for file in filter(None, (files.recipe, made)):
            text = _read(file)
            if answers(text, wanted):
                return _from_lock(parse_lock(text, str(file)), parse_build_lock(_read(build_lock(file))), maker)
    with progress.step("resolving Python packages"):
        locked, results = _resolve(wanted, uv, maker)
    lock = files.recipe if files.recipe and files.update else made
    pins = {
        (result.kept.record.name, result.kept.record.made.source_sha256): result.pins for result in results.values()
    }
    _write(lock, format_lock(wanted, locked))
    if pins:
        _write(build_lock(lock), format_build_lock(lock, pins))
    else:
        build_lock(lock).unlink(missing_ok=True)
    if files.update:
        progress.note(f"wrote {files.recipe}")
    elif files.recipe is not None:
        why = "is for other requirements" if files.recipe.exists() else "is not there"
        progress.note(f"{files.recipe} {why}: resolved anew and kept in the cache; edgekit wheel lock writes it")
    return _locked(locked, results, from_cache=False)


def _from_lock(locked: tuple[LockedFile, ...], pins: Mapping[tuple[str, str], str], maker: WheelMaker) -> Locked:
    results = {}
    for file in locked:
        if not file.is_wheel:
            source = Source(name=file.name, version=file.version, sha256=file.sha256, filename=file.filename)
            results[file.name] = maker.wheel(source, pins.get((file.name, file.sha256), ""))
    return _locked(locked, results, from_cache=all(result.from_cache for result in results.values()))


def _resolve(wanted: Wanted, uv: Uv, maker: WheelMaker) -> tuple[tuple[LockedFile, ...], dict[str, Result]]:
    """Ask uv for a set; build what has no wheel, and ask again with what was built."""
    results: dict[str, Result] = {}
    sources: dict[str, Source] = {}
    binary: set[str] = set()
    for _ in range(_MAX_ROUNDS):
        pinned = [f"{name}=={source.version}" for name, source in sources.items()]
        folders = [result.kept.folder for result in results.values()]
        done = uv.resolve(wanted.with_more(pinned), folders, binary=binary)
        missing = missing_from(done, wanted, sources, uv)
        if missing == Missing() or (not missing.build and binary >= set(missing.binary)):
            break
        binary |= set(missing.binary)
        for source in missing.build:
            sources[source.name], results[source.name] = source, maker.wheel(source)
    if done.returncode:
        raise explain(wanted, done.stderr.decode(errors="replace").strip())
    locked = []
    for package in parse_pylock(done.stdout.decode(errors="replace"), wanted):
        if package.name in sources:
            source = sources[package.name]
            chosen = (source.sha256, source.filename)
        else:
            assert package.wheel is not None, f"uv chose {package.name} without a wheel that fits"
            chosen = (package.wheel.sha256, package.wheel.filename)
        locked.append(LockedFile(name=package.name, version=package.version, sha256=chosen[0], filename=chosen[1]))
    return tuple(locked), results


def _locked(files: tuple[LockedFile, ...], results: Mapping[str, Result], *, from_cache: bool) -> Locked:
    wheels = []
    for file in files:
        if file.is_wheel:
            wheel = WheelEntry(
                name=file.name, version=file.version, filename=file.filename, sha256=file.sha256, source="downloaded"
            )
        else:
            record = results[file.name].kept.record
            wheel = WheelEntry(
                name=file.name,
                version=file.version,
                filename=record.filename,
                sha256=record.sha256,
                source="cross-built",
                source_sha256=file.sha256,
            )
        wheels.append(wheel)
    built = {name: result.kept.wheel for name, result in results.items()}
    return Locked(wheels=tuple(wheels), built=built, from_cache=from_cache)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)
