"""From requirements to exact wheels: by the recipe's lock, by one made earlier, or resolved anew.

Wheels that fit come from an index; a package without one is cross-built from its source package.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.fitting import check_gpu
from edgekit.host.wheel.given import Maker, Taken, take_all
from edgekit.host.wheel.gpu import Named
from edgekit.host.wheel.lock import (
    LockedFile,
    answers,
    build_lock,
    format_build_lock,
    format_lock,
    parse_build_lock,
    parse_lock,
)
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.search import Search
from edgekit.host.wheel.uv import Uv
from edgekit.schema.manifest import WheelEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Exact wheels."""

    wheels: tuple[WheelEntry, ...]
    built: Mapping[str, Path]
    """Those that were built here, by name."""
    from_cache: bool
    """Whether a lock that was there answered, and nothing had to be built."""
    warnings: tuple[str, ...] = ()
    """What is doubtful about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFiles:
    """Where locks lie."""

    recipe: Path | None
    """The recipe's own lock for the target; it counts when it answers, and `update` writes it. None: there is none."""
    cache_dir: Path
    update: bool = False


def resolve(wanted: Wanted, files: LockFiles, uv: Uv, maker: Maker, progress: Progress) -> Locked:
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
                locked = parse_lock(text, str(file))
                named = (Named(name=one.name, version=one.version) for one in locked)
                doubt = check_gpu(named, wanted, uv.resolve)
                pins = parse_build_lock(_read(build_lock(file)))
                known = _from_lock(locked, pins, take_all(wanted, maker, pins), maker)
                return dataclasses.replace(known, warnings=tuple(filter(None, [doubt])))
    with progress.step("resolving Python packages"):
        search = Search(wanted=wanted, uv=uv, maker=maker)
        locked, results = search.run()
    lock = files.recipe if files.recipe and files.update else made
    made_here = [*results.values(), *(taken.result for taken in search.given.values() if taken.result)]
    pins = {(result.kept.record.name, result.kept.record.made.source_sha256): result.pins for result in made_here}
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
    return dataclasses.replace(_locked(locked, results, search.given, from_cache=False), warnings=search.warnings)


def _from_lock(
    locked: tuple[LockedFile, ...], pins: Mapping[tuple[str, str], str], given: Mapping[str, Taken], maker: Maker
) -> Locked:
    results = {}
    for file in locked:
        if not file.is_wheel and file.name not in given:
            source = Source(name=file.name, version=file.version, sha256=file.sha256, filename=file.filename)
            results[file.name] = maker.wheel(source, pins.get((file.name, file.sha256), ""))
    built = [*results.values(), *(taken.result for taken in given.values() if taken.result)]
    return _locked(locked, results, given, from_cache=all(result.from_cache for result in built))


def _locked(
    files: tuple[LockedFile, ...], results: Mapping[str, Result], given: Mapping[str, Taken], *, from_cache: bool
) -> Locked:
    results = {**results, **{name: taken.result for name, taken in given.items() if taken.result}}
    wheels = tuple(_entry(file, results.get(file.name)) for file in files)
    built = {name: result.kept.wheel for name, result in results.items()}
    built |= {name: taken.wheel for name, taken in given.items()}
    return Locked(wheels=wheels, built=built, from_cache=from_cache)


def _entry(file: LockedFile, result: Result | None) -> WheelEntry:
    if result is None:
        return WheelEntry(
            name=file.name, version=file.version, filename=file.filename, sha256=file.sha256, source="downloaded"
        )
    record = result.kept.record
    return WheelEntry(
        name=file.name,
        version=file.version,
        filename=record.filename,
        sha256=record.sha256,
        source="cross-built",
        source_sha256=file.sha256,
    )


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
