"""Requirements that are files: wheels, source packages and folders beside a recipe or at an address, and lists of them.

Each is known by its digest: the same recipe gives the same release tomorrow, on every machine.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from edgekit.errors import InputError, WheelError
from edgekit.host.requirements import DIRECT, requirement_fault
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.downloads import Downloads, filename_of
from edgekit.host.wheel.cross.sources import Source, local_source, source_at
from edgekit.host.wheel.lock import LockedFile
from edgekit.host.wheel.needs import GivenFile, Wanted
from edgekit.host.wheel.pylock import supported_tags
from edgekit.trust import sha256_file

_LIST = re.compile(r"(?:-r|--requirement)[\s=]+(?P<file>\S.*)")
_MAX_DEPTH = 8


class Maker(Protocol):
    """What makes wheels of files: `cross.crossbuild.CrossBuilder`."""

    @property
    def downloads(self) -> Downloads:
        """Fetches files."""

    def wheel(self, source: Source, pins: str = "") -> Result:
        """The wheel of a source package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A given file as a wheel."""

    requirement: str
    """What stands for it when uv is asked: `gate[fast]==1.0`."""
    wheel: Path
    """In a folder where no other wheel is."""
    locked: LockedFile
    result: Result | None
    """How it was built; None: it was a wheel."""


def split(texts: Iterable[str], base: Path, downloads: Downloads) -> tuple[tuple[str, ...], tuple[GivenFile, ...]]:
    """Requirements by name, and those that are files.

    Args:
        texts: as a user wrote them; lists (`-r FILE`) are read.
        base: the folder that relative paths start from.
        downloads: tells the digest of a file at an address, where only that is missing.

    Raises:
        InputError: a file is not there, or is none; what to write instead.
    """
    plain: list[str] = []
    given: list[GivenFile] = []
    for text, folder in lines_of(texts, base):
        file = read_given(text, folder, downloads)
        if file is not None:
            given.append(file)
        elif fault := requirement_fault(text):
            raise InputError(fault, hint="correct it in recipe.toml, or in the list that it stands in")
        else:
            plain.append(text)
    return tuple(plain), tuple(given)


def lines_of(texts: Iterable[str], base: Path) -> tuple[tuple[str, Path], ...]:
    """Requirements, lists read, each with the folder that its path starts from.

    Raises:
        InputError: a list cannot be read.
    """
    return tuple(_lines(texts, base, 0))


def _lines(texts: Iterable[str], base: Path, depth: int) -> Iterator[tuple[str, Path]]:
    """Requirements and the folders that their paths start from. Source: pip, Requirements File Format."""
    for text in texts:
        found = _LIST.fullmatch(text.strip())
        if not found:
            yield text, base
            continue
        file = base / found["file"]
        if depth == _MAX_DEPTH:
            raise InputError(f"{file} is in a circle of lists of requirements", hint=f"take the -r lines out of {file}")
        try:
            content = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "") or "it is no UTF-8 text"
            raise InputError(f"{file} cannot be read: {reason}", hint=f"ls -l {file}") from None
        bare = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in content.replace("\\\n", " ").splitlines())
        yield from _lines(filter(None, bare), file.parent, depth + 1)


def read_given(text: str, base: Path, downloads: Downloads) -> GivenFile | None:
    """Parse a requirement that is a file; None for any other requirement.

    Raises:
        InputError: there is no such file, or it may change from day to day.
    """
    direct = DIRECT.fullmatch(text.strip())
    if direct is None or requirement_fault(text):
        return None
    place, extras = direct["place"], _extras(direct["name"] or "", direct["extras"] or "")
    marker = (direct["marker"] or "").strip()
    if urlsplit(place).scheme in ("http", "https"):
        return dataclasses.replace(_at_address(place, downloads), extras=extras, marker=marker)
    path = base / (url2pathname(urlsplit(place).path) if place.startswith("file:") else place)
    if not path.exists():
        raise InputError(f"{path} is not there", hint="correct the path; it starts from the recipe's folder")
    return dataclasses.replace(_here(path), extras=extras, marker=marker)


def _here(path: Path) -> GivenFile:
    if path.suffix == ".whl" and path.is_file():
        return GivenFile(url=path.absolute().as_uri(), sha256=sha256_file(path), filename=path.name)
    return _given(local_source(path))


def _given(source: Source) -> GivenFile:
    return GivenFile(
        url=source.url, sha256=source.sha256, filename=source.filename, name=source.name, version=source.version
    )


def _extras(name: str, written: str) -> tuple[str, ...]:
    try:
        return tuple(sorted(Requirement(f"{name or 'x'}{written}").extras))
    except InvalidRequirement:
        return ()


def _at_address(place: str, downloads: Downloads) -> GivenFile:
    url, _, fragment = place.partition("#")
    found = re.search(r"(?:^|&)sha256=([0-9a-f]{64})(?:$|&)", fragment)
    if not found:
        digest = downloads.digest(url)
        raise InputError(
            f"{filename_of(url)} may be another file tomorrow: its digest is missing",
            hint=f"write {url}#sha256={digest}",
        )
    filename = filename_of(url)
    if filename.endswith(".whl"):
        return GivenFile(url=url, sha256=found[1], filename=filename)
    return _given(source_at(url, found[1]))


def take_all(wanted: Wanted, maker: Maker, pins: Mapping[tuple[str, str], str] | None = None) -> dict[str, Taken]:
    """The wheels of all given files, by name; `pins` is what a lock says that they are built with."""
    by_digest = {sha256: text for (_, sha256), text in (pins or {}).items()}
    taken = (take(given, wanted, maker, by_digest.get(given.sha256, "")) for given in wanted.files)
    return {one.locked.name: one for one in taken}


def take(given: GivenFile, wanted: Wanted, maker: Maker, pins: str = "") -> Taken:
    """The wheel of a given file: as it is, or built.

    Raises:
        WheelError: it does not fit the system, does not build, or cannot be had.
        InputError: it is neither a wheel nor a source package.
    """
    result = None
    if given.filename.endswith(".whl"):
        wheel = maker.downloads.fetch(given.url, given.sha256)
        name, version = _check_fits(given, wanted)
    else:
        result = maker.wheel(source_of(given), pins)
        wheel, name, version = result.cached.wheel, result.cached.record.name, result.cached.record.version
    extras = f"[{','.join(given.extras)}]" if given.extras else ""
    marker = f" ; {given.marker}" if given.marker else ""
    return Taken(
        requirement=f"{name}{extras}=={version}{marker}",
        wheel=wheel,
        locked=LockedFile(name=name, version=version, sha256=given.sha256, filename=given.filename or f"{name}/"),
        result=result,
    )


def source_of(given: GivenFile) -> Source:
    """A given file that is no wheel, as it is built."""
    return Source(name=given.name, version=given.version, sha256=given.sha256, filename=given.filename, url=given.url)


def _check_fits(given: GivenFile, wanted: Wanted) -> tuple[str, str]:
    try:
        name, version, _, tags = parse_wheel_filename(given.filename)
    except InvalidWheelFilename as error:
        raise InputError(
            f"{given.filename} is no wheel: {error}", hint="give it the name that it was built with"
        ) from None
    if not tags & set(supported_tags(wanted)):
        names = ", ".join(sorted(map(str, tags)))
        raise WheelError(f"{given.filename} is for {names}, not for {wanted}", hint="get the wheel for that system")
    return str(name), str(version)
