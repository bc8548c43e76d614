"""The platform tag that is true of compiled files. Source: PEP 600; PEP 599 for what came before."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.host.wheel.check.elf import ElfFacts

_OLDEST = (2, 17)
"""For arm64; on x86-64 nobody has an older glibc any more."""
_FLOORS: dict[str, tuple[tuple[tuple[int, ...], tuple[int, int]], ...]] = {
    "GLIBCXX": (
        *(((3, 4, 19), (2, 17)), ((3, 4, 22), (2, 24)), ((3, 4, 24), (2, 27)), ((3, 4, 28), (2, 31))),
        *(((3, 4, 29), (2, 34)), ((3, 4, 30), (2, 35)), ((3, 4, 33), (2, 39))),
    ),
    "CXXABI": (
        *(((1, 3, 7), (2, 17)), ((1, 3, 10), (2, 24)), ((1, 3, 11), (2, 27)), ((1, 3, 12), (2, 31))),
        *(((1, 3, 13), (2, 34)), ((1, 3, 15), (2, 39))),
    ),
}
"""Up to which version of libstdc++ a manylinux platform has, by the oldest distribution with its glibc.

Source: auditwheel, manylinux-policy.json.
"""
_NEWEST = (2, 41)


def true_platform(files: Sequence[ElfFacts], arch: str) -> str:
    """`manylinux_2_34_aarch64`, or `any` where there is no file for any machine."""
    if not files:
        return "any"
    own = [facts for facts in files if facts.machine == arch and facts.is_loaded]
    major, minor = max([_OLDEST, *(_floor(*version.named) for facts in own for version in facts.versions)])
    return f"manylinux_{major}_{minor}_{arch}"


def highest_versions(files: Sequence[ElfFacts]) -> dict[str, str]:
    """The highest version that files ask for, by family: `GLIBC` to `2.34`."""
    best: dict[str, tuple[int, ...]] = {}
    for family, number in (version.named for facts in files for version in facts.versions):
        if number:
            best[family] = max(best.get(family, ()), number)
    return {family: ".".join(map(str, number)) for family, number in sorted(best.items())}


def _floor(family: str, number: tuple[int, ...]) -> tuple[int, int]:
    if family == "GLIBC" and len(number) > 1:
        return number[0], number[1]
    floors = _FLOORS.get(family, ())
    return next((floor for ceiling, floor in floors if number <= ceiling), _NEWEST if floors else _OLDEST)
