"""Reads what uv resolved and takes, of each package, the one wheel that fits the system best.

Source: PEP 751 (pylock.toml), PEP 425 and 600 (wheel tags and their order).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.needs import Wanted
from edgekit.schema.units import version_tuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What uv chose of one package."""

    name: str
    version: str
    wheel: Wheel | None
    """The wheel that fits the system best."""
    source: Source | None
    """Its source package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel that an index, or a folder, has."""

    filename: str
    sha256: str
    url: str


def parse_pylock(text: str, wanted: Wanted) -> tuple[Found, ...]:
    """All packages, sorted by name."""
    order = {tag: rank for rank, tag in enumerate(supported_tags(wanted))}
    packages: list[dict[str, Any]] = tomllib.loads(text).get("packages", [])
    found = (
        Found(
            name=package["name"],
            version=package.get("version", "0"),
            wheel=_best(package, order),
            source=_source(package),
        )
        for package in packages
    )
    return tuple(sorted(found, key=lambda package: package.name))


def _best(package: dict[str, Any], order: dict[Tag, int]) -> Wheel | None:
    ranked = []
    for entry in [*package.get("wheels", []), *([package["archive"]] if "archive" in package else [])]:
        wheel = Wheel(filename=_filename(entry), sha256=entry.get("hashes", {}).get("sha256", ""), url=_url(entry))
        rank = _rank(wheel.filename, order)
        if rank is not None and wheel.sha256:
            ranked.append((rank, wheel))
    return min(ranked, key=lambda pair: (pair[0], pair[1].filename, pair[1].url))[1] if ranked else None


def _source(package: dict[str, Any]) -> Source | None:
    entry: dict[str, Any] = package.get("sdist") or package.get("archive") or {}
    sha256 = entry.get("hashes", {}).get("sha256")
    if not sha256 or _filename(entry).endswith(".whl"):
        return None
    version = package.get("version", "0")
    return Source(name=package["name"], version=version, sha256=sha256, filename=_filename(entry), url=_url(entry))


def _url(entry: dict[str, Any]) -> str:
    """Where a file is; paths that uv writes are relative to its working directory."""
    return str(entry.get("url") or Path(entry.get("path", "")).absolute().as_uri())


def _filename(entry: dict[str, Any]) -> str:
    return entry.get("name") or unquote(urlparse(_url(entry)).path).split("/")[-1]


def _rank(filename: str, order: dict[Tag, int]) -> int | None:
    try:
        tags = parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return None
    return min((order[tag] for tag in tags if tag in order), default=None)


def supported_tags(wanted: Wanted) -> Iterator[Tag]:
    """Every tag that the system takes, best first."""
    platforms = list(_platforms(wanted))
    python = version_tuple(wanted.python)
    yield from cpython_tags(python, platforms=platforms)
    yield from compatible_tags(python, f"cp{python[0]}{python[1]}", platforms)


def _platforms(wanted: Wanted) -> Iterator[str]:
    oldest = 17 if wanted.arch == "aarch64" else 5
    for minor in range(wanted.glibc_minor, oldest - 1, -1):
        yield f"manylinux_2_{minor}_{wanted.arch}"
        if minor in _OLD_NAMES:
            yield f"{_OLD_NAMES[minor]}_{wanted.arch}"
    yield f"linux_{wanted.arch}"
