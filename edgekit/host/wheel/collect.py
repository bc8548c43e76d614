"""Gets the wheel file of one requirement: from an index, or cross-built."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from edgekit.errors import InputError, WheelError
from edgekit.host.notes import Notes
from edgekit.host.requirements import requirement_fault
from edgekit.host.wheel.cross.crossbuild import CrossBuilder, Result
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.cross.store import BuiltWheel
from edgekit.host.wheel.fitting import check_alone, check_requirements
from edgekit.host.wheel.given import read_given, source_of, take
from edgekit.host.wheel.gpu import Named
from edgekit.host.wheel.lock import LockedFile, parse_lock
from edgekit.host.wheel.missing import find_alone
from edgekit.host.wheel.needs import GivenFile, Wanted
from edgekit.host.wheel.pylock import Found, Wheel
from edgekit.host.wheel.uv import Uv


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A wheel file."""

    name: str
    version: str
    sha256: str
    path: Path
    record: BuiltWheel | None
    """How it was built; None: an index had it."""
    from_cache: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a wheel may be had."""

    binary: bool = True
    """An index's wheel will do."""
    again: bool = False
    """Build even what the cache has."""
    base: Path = Path()
    """The folder that relative paths start from."""


def collect(requirement: str, wanted: Wanted, uv: Uv, builder: CrossBuilder, how: How) -> Collected:
    """The wheel of a requirement.

    Args:
        requirement: as pip reads it, or the path of a source package or of a folder of sources.
        wanted: the system.
        uv: finds it.
        builder: builds it.
        how: what will do.

    Raises:
        InputError: no requirement.
        WheelError: it cannot be had, or does not build.
    """
    given = read_given(requirement, how.base, builder.downloads)
    if given is not None:
        return _of_file(given, wanted, builder, how)
    check_requirement(requirement)
    check_requirements(wanted.only(requirement))
    found = _find(requirement, wanted, uv, builder, binary=how.binary)
    check_alone(Named(name=found.name, version=found.version), wanted)
    if found.wheel is not None and how.binary:
        path = builder.downloads.fetch(found.wheel.url, found.wheel.sha256)
        sha256 = found.wheel.sha256
        return Collected(
            name=found.name, version=found.version, sha256=sha256, path=path, record=None, from_cache=False
        )
    if found.source is None:
        raise WheelError(f"{requirement} has no source package", hint="leave out --no-binary, or take another version")
    return _built(builder.wheel(found.source, again=how.again))


def _of_file(given: GivenFile, wanted: Wanted, builder: CrossBuilder, how: How) -> Collected:
    if not given.filename.endswith(".whl"):
        return _built(builder.wheel(source_of(given), again=how.again))
    wheel = take(given, wanted, builder)
    return Collected(
        name=wheel.locked.name,
        version=wheel.locked.version,
        sha256=given.sha256,
        path=wheel.wheel,
        record=None,
        from_cache=False,
    )


def check_requirement(text: str) -> None:
    """Check that a text is a requirement.

    Raises:
        InputError: so it is.
    """
    if fault := requirement_fault(text):
        raise InputError(fault, hint="write NAME==VERSION, or ./PATH")


def _find(requirement: str, wanted: Wanted, uv: Uv, builder: CrossBuilder, *, binary: bool) -> Found:
    """Look a requirement up in the index. The answer is cached: for an exact version always used, else when offline."""
    asked = hashlib.sha256(f"{wanted.only(requirement).digest} {binary}".encode()).hexdigest()
    memory = f"one-{asked}"
    exact = any(spec.operator == "==" and "*" not in spec.version for spec in Requirement(requirement).specifier)
    if exact and (remembered := _remembered(memory, builder)):
        return remembered
    try:
        found = find_alone(requirement, wanted, uv, sources_only=not binary, note=builder.progress.note)
    except WheelError as error:
        remembered = _remembered(memory, builder) if "reached" in error.message else None
        if remembered is None:
            raise
        return remembered
    if found is None:
        raise InputError(f"{requirement} is not for {wanted}, as its marker says", hint="leave the marker out")
    chosen = found.wheel if binary and found.wheel else found.source
    if chosen is not None:
        line = f"{found.name}=={found.version} --hash=sha256:{chosen.sha256}  # {chosen.filename}\n"
        _notes(builder).write(memory, line.encode())
    return found


def _notes(builder: CrossBuilder) -> Notes:
    return Notes(builder.paths.cache / "locks")


def _remembered(memory: str, builder: CrossBuilder) -> Found | None:
    """The cached answer; for a wheel only while the file itself is in the cache."""
    line = _notes(builder).read(memory)
    if line is None:
        return None
    file: LockedFile = parse_lock(line.decode(), memory)[0]
    if not file.is_wheel:
        source = Source(name=file.name, version=file.version, sha256=file.sha256, filename=file.filename)
        return Found(name=file.name, version=file.version, wheel=None, source=source)
    cached = builder.downloads.cached(file.sha256, file.filename)
    if cached is None:
        return None
    wheel = Wheel(filename=file.filename, sha256=file.sha256, url=cached.absolute().as_uri())
    return Found(name=file.name, version=file.version, wheel=wheel, source=None)


def _built(result: Result) -> Collected:
    record = result.cached.record
    return Collected(
        name=record.name,
        version=record.version,
        sha256=record.sha256,
        path=result.cached.wheel,
        record=record,
        from_cache=result.from_cache,
    )
