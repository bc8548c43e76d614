"""Finds packages that write the same file with different content: the result would depend on the order of unpacking.

What counts is what installed packages record. Source: PyPA, Recording installed projects, The RECORD file.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from edgekit.errors import WheelError
from edgekit.host.wheel.needs import Wanted, name_of

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of a RECORD."""

    package: str
    path: str
    sha256: str
    """As in the file; empty where the package recorded none."""


def check_clashes(site: Path, wanted: Wanted) -> None:
    """Refuse a folder of installed packages in which two have written one file, or a file is not as it was recorded.

    Args:
        site: as an installer left it, without what no board needs.
        wanted: what was asked for: the hint names the package that nobody asked for by name.

    Raises:
        WheelError: both packages, and what to write; or the package whose file is another.
    """
    owners: dict[str, list[_Line]] = defaultdict(list)
    for line in _lines(site):
        owners[line.path].append(line)
    shared = {path: lines for path, lines in owners.items() if len({line.package for line in lines}) > 1}
    differing = {path: lines for path, lines in shared.items() if len({line.sha256 for line in lines}) > 1}
    if differing:
        raise _clash(differing, wanted)
    for path, lines in owners.items():
        if lines[0].sha256 and _sha256(site / path) != lines[0].sha256:
            raise WheelError(
                f"{path} is not what {lines[0].package} recorded: uv's cache was changed, or two packages wrote it",
                hint=f"uv cache clean {lines[0].package}, and build again",
            )
    unowned = sorted(_files(site) - owners.keys())
    if unowned:
        raise WheelError(
            f"{unowned[0]} belongs to no package: no RECORD names it", hint="leave out the package that brings it"
        )


def _clash(differing: dict[str, list[_Line]], wanted: Wanted) -> WheelError:
    path, lines = min(differing.items())
    pair = sorted({line.package for line in lines})[:2]
    alike = sum(set(pair) <= {line.package for line in lines} for lines in differing.values())
    files = f"{path} and {alike - 1} more files" if alike > 1 else path
    spare = _spare(pair, wanted)
    other = next(name for name in pair if name != spare)
    return WheelError(
        f"{pair[0]} and {pair[1]} both bring {files}, with different content",
        hint=f'if {other} alone will do, write exclude = ["{spare}"] under [python] in recipe.toml',
        details="\n".join(sorted(differing)),
    )


def _spare(pair: Collection[str], wanted: Wanted) -> str:
    """Which of two to leave out: rather one that only another package needs than one that the recipe names."""
    asked = {name_of(text) for text in wanted.requirements}
    return min(pair, key=lambda name: (name in wanted.own, name in asked, "headless" in name, name))


def _lines(site: Path) -> Iterator[_Line]:
    for record in sorted(site.glob("*.dist-info/RECORD")):
        package = canonicalize_name(record.parent.name.split("-")[0])
        with record.open(encoding="utf-8", errors="replace", newline="") as rows:
            for row in csv.reader(rows):
                if row and row[0] != f"{record.parent.name}/RECORD" and ".." not in row[0].split("/"):
                    digest = row[1].removeprefix("sha256=") if len(row) > 1 and row[1].startswith("sha256=") else ""
                    yield _Line(package=package, path=row[0], sha256=digest)


def _files(site: Path) -> set[str]:
    found = (path.relative_to(site).as_posix() for path in site.rglob("*") if not path.is_dir())
    return {path for path in found if not path.endswith(".dist-info/RECORD")}


def _sha256(file: Path) -> str:
    """A file's digest as RECORD writes it; empty for a file that is gone."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as opened:
            while block := opened.read(_CHUNK_BYTES):
                digest.update(block)
    except OSError:
        return ""
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
