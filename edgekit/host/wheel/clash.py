"""Finds packages that write the same file with different content: the result would depend on the order of unpacking.

What counts is what installed packages record. Source: PyPA, Recording installed projects, The RECORD file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.host.installed import RecordedFile, recorded_files
from edgekit.host.wheel.needs import Wanted, name_of


def check_clashes(site: Path, wanted: Wanted) -> None:
    """Refuse a folder of installed packages in which two have written one file.

    Args:
        site: as an installer left it, without what no board needs.
        wanted: what was asked for: the hint names the package that nobody asked for by name.

    Raises:
        WheelError: both packages, and what to write.
    """
    owners: dict[str, list[RecordedFile]] = defaultdict(list)
    for line in recorded_files(site):
        owners[line.path].append(line)
    shared = {path: lines for path, lines in owners.items() if len({line.package for line in lines}) > 1}
    differing = {path: lines for path, lines in shared.items() if len({line.sha256 for line in lines}) > 1}
    if differing:
        raise _clash(differing, wanted)


def _clash(differing: dict[str, list[RecordedFile]], wanted: Wanted) -> WheelError:
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
