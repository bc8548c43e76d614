"""From requirements to exact wheels: by the recipe's lock, by one made earlier, or resolved anew.

Wheels that fit come from an index; a package without one is cross-built from its source package.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.disk import write_whole
from edgekit.host.notes import Notes
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
    results: Mapping[str, Result] = dataclasses.field(default_factory=dict)
    """How those were made that were built from source, by name."""
    files: tuple[LockedFile, ...] = ()
    """What the lock names: wheels and source packages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock's two texts."""

    name: str
    """Of its file, for messages."""
    text: str
    build_text: str
    """What its source packages are built with; empty: it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFiles:
    """Where locks are."""

    recipe: Path | None
    """The recipe's own lock for the target; it counts when it answers, and `update` writes it. None: there is none."""
    cache_dir: Path
    update: bool = False

    def read(self, wanted: Wanted) -> Iterator[Lock]:
        """The recipe's lock, then the one that an earlier build put into the cache."""
        if self.recipe is not None:
            build_text = _read(build_lock(self.recipe))
            yield Lock(name=str(self.recipe), text=_read(self.recipe), build_text=build_text)
        notes = Notes(self.cache_dir / "locks")
        texts = [(notes.read(key) or b"").decode() for key in (wanted.digest, f"{wanted.digest}.build")]
        yield Lock(name=wanted.digest, text=texts[0], build_text=texts[1])

    def write(self, wanted: Wanted, lock: Lock) -> None:
        """Write the recipe's lock if that is to be updated, else the one in the cache."""
        if self.recipe is None or not self.update:
            notes = Notes(self.cache_dir / "locks")
            notes.write(f"{wanted.digest}.build", lock.build_text.encode())
            notes.write(wanted.digest, lock.text.encode())
            return
        self.recipe.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.recipe, lock.text.encode())
        if lock.build_text:
            write_whole(build_lock(self.recipe), lock.build_text.encode())
        else:
            build_lock(self.recipe).unlink(missing_ok=True)


def resolve(wanted: Wanted, files: LockFiles, uv: Uv, maker: Maker, progress: Progress) -> Locked:
    """Find the wheels for `wanted`.

    Raises:
        WheelError: a package cannot be had or built, or fits nothing; or the index does not answer.
        InputError: a lock that was edited by hand.
    """
    for lock in files.read(wanted) if not files.update else ():
        if answers(lock.text, wanted):
            locked = parse_lock(lock.text, lock.name)
            named = (Named(name=one.name, version=one.version) for one in locked)
            doubt = check_gpu(named, wanted, uv.resolve)
            pins = parse_build_lock(lock.build_text)
            known = _from_lock(locked, pins, take_all(wanted, maker, pins), maker)
            return dataclasses.replace(known, warnings=tuple(filter(None, [doubt])))
    with progress.step("resolving Python packages"):
        search = Search(wanted=wanted, uv=uv, maker=maker)
        locked, results = search.run()
    made_here = [*results.values(), *(taken.result for taken in search.given.values() if taken.result)]
    pins = {(result.cached.record.name, result.cached.record.made.source_sha256): result.pins for result in made_here}
    name = files.recipe.name if files.recipe and files.update else wanted.digest
    build_text = format_build_lock(name, pins) if pins else ""
    files.write(wanted, Lock(name=name, text=format_lock(wanted, locked), build_text=build_text))
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
    built = {name: result.cached.wheel for name, result in results.items()}
    built |= {name: taken.wheel for name, taken in given.items()}
    return Locked(wheels=wheels, built=built, from_cache=from_cache, results=results, files=files)


def _entry(file: LockedFile, result: Result | None) -> WheelEntry:
    if result is None:
        return WheelEntry(
            name=file.name, version=file.version, filename=file.filename, sha256=file.sha256, source="downloaded"
        )
    record = result.cached.record
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
