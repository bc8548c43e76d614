"""Reads what uv resolved and takes, of each package, the one wheel that fits the system best.

Source: PEP 751 (pylock.toml), PEP 425 and 600 (wheel tags and their order).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlparse

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from edgekit.host.wheel.needs import Wanted
from edgekit.schema.manifest import WheelEntry
from edgekit.schema.units import version_tuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def best_wheels(text: str, wanted: Wanted) -> tuple[WheelEntry, ...]:
    """One wheel of each package, sorted by name; packages without any that fits are left out."""
    order = {tag: rank for rank, tag in enumerate(_tags(wanted))}
    chosen = (_best(package, order) for package in _packages(text))
    return tuple(sorted((wheel for wheel in chosen if wheel), key=lambda wheel: wheel.name))


def package_names(text: str) -> tuple[str, ...]:
    """Names of all packages that uv chose."""
    return tuple(package["name"] for package in _packages(text))


def without_wheels(text: str) -> tuple[str, ...]:
    """Names of packages that have to be compiled: uv lists only wheels that fit the asked system."""
    return tuple(package["name"] for package in _packages(text) if not package.get("wheels"))


def _packages(text: str) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = tomllib.loads(text).get("packages", [])
    return packages


def _best(package: dict[str, Any], order: dict[Tag, int]) -> WheelEntry | None:
    ranked = []
    for wheel in package.get("wheels", []):
        filename = wheel.get("name") or unquote(urlparse(wheel.get("url") or wheel.get("path", "")).path).split("/")[-1]
        rank = _rank(filename, order)
        sha256 = wheel.get("hashes", {}).get("sha256")
        if rank is not None and sha256:
            ranked.append((rank, filename, sha256))
    if not ranked:
        return None
    _, filename, sha256 = min(ranked)
    return WheelEntry(
        name=package["name"], version=package["version"], filename=filename, sha256=sha256, source="downloaded"
    )


def _rank(filename: str, order: dict[Tag, int]) -> int | None:
    try:
        tags = parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return None
    return min((order[tag] for tag in tags if tag in order), default=None)


def _tags(wanted: Wanted) -> Iterator[Tag]:
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
