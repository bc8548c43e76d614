"""Rules for packages: `evil`, `numpy<2.2.5`, `numpy>=2,<2.2.5`.

The board judges them, so they are read with the standard library alone.
"""

from __future__ import annotations

import re

_RULE = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?)\s*(.*)")
_CLAUSE = re.compile(r"\s*(<=|>=|==|<|>)\s*([^\s,<>=]{1,60})\s*")
_VERSION = re.compile(r"v?(?:(\d{1,9})!)?(\d{1,18}(?:\.\d{1,18}){0,20})(.*)", re.DOTALL)
_BEFORE = re.compile(r"[._-]?(?:a|alpha|b|beta|c|rc|pre|preview|dev)(?=[._-]?\d|$)")
_AFTER = re.compile(r"[._-]?(?:post|rev|r)(?=[._-]?\d|$)|-\d")
_PARTS = 21


def check_rule(rule: str) -> None:
    """Return if a rule can be understood. Raises ValueError."""
    _parse(rule)


def denies(rule: str, name: str, version: str) -> bool:
    """Whether a rule is about this package in this version. A version that cannot be read is denied by every rule.

    Of pre-releases and post-releases no more is known than before and after which version they come: that is enough to
    say on which side of a bound they lie.

    Source: PyPA, Version Specifiers, "Version scheme"; names are compared as in "Names and normalization".
    """
    named, clauses = _parse(rule)
    if named != _normal(name):
        return False
    found = _key(version)
    return found is None or all(_holds(found, operator, bound) for operator, bound in clauses)


_Key = tuple[int, tuple[int, ...], int]


def _parse(rule: str) -> tuple[str, list[tuple[str, _Key]]]:
    match = _RULE.fullmatch(rule)
    wrong = ValueError(f"{rule[:80]!r} is no rule for a package: write NAME, NAME<VERSION or NAME>=VERSION,<VERSION")
    if match is None:
        raise wrong
    clauses = []
    for text in match[2].split(",") if match[2] else ():
        clause = _CLAUSE.fullmatch(text)
        bound = _key(clause[2]) if clause else None
        if clause is None or bound is None or bound[2]:  # of two pre-releases it is not known which comes first
            raise wrong
        clauses.append((clause[1], bound))
    return _normal(match[1]), clauses


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _key(version: str) -> _Key | None:
    """Epoch, release, and whether it comes before (-1), is (0) or comes after (1) that release."""
    match = _VERSION.fullmatch(version.strip().lower())
    if match is None:
        return None
    release = tuple(map(int, match[2].split(".")))
    rest = match[3].partition("+")[0]
    phase = 0 if not rest else -1 if _BEFORE.match(rest) else 1 if _AFTER.match(rest) else None
    if phase is None:
        return None
    return int(match[1] or 0), (*release, *(0,) * (_PARTS - len(release))), phase


def _holds(found: _Key, operator: str, bound: _Key) -> bool:
    match operator:
        case "<":
            return found < bound
        case "<=":
            return found <= bound
        case ">":
            return found > bound
        case ">=":
            return found >= bound
    return found == bound
