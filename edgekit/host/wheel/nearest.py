"""Explains a requirement that has no version for the target's Python, and names the nearest one that has."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from edgekit.errors import WheelError
from edgekit.host.wheel.gpu import explain_missing
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import parse_pylock
from edgekit.host.wheel.refusal import explain, names_yanked, unknown_package, wants_credentials
from edgekit.host.wheel.uv import Uv

_PYTHON_MINORS = tuple(f"3.{minor}" for minor in range(14, 7, -1))


def refuse(requirement: str, wanted: Wanted, output: str, uv: Uv) -> WheelError:
    """The error for a requirement that has nothing for a system.

    Args:
        requirement: as written.
        wanted: the system.
        output: what uv printed, if it did.
        uv: is asked for other versions.
    """
    if unknown_package(output) or wants_credentials(output) or names_yanked(output):
        return explain(wanted if wanted.requirements else wanted.only(requirement), output)
    parsed = Requirement(requirement)
    if (
        wanted.board
        and not wanted.rules.indexes
        and (reason := explain_missing(canonicalize_name(parsed.name), wanted.board))
    ):
        return WheelError(reason[0], hint=reason[1], details=output)
    near = _nearest(parsed, wanted, uv)
    local = next((spec.version for spec in parsed.specifier if "+" in spec.version), "")
    if near is not None and local:
        return WheelError(
            f"the package index has no {requirement} for {wanted}",
            hint=f"write {parsed.name}=={near}, or declare the index that has +{local.partition('+')[2]} builds "
            f'under [python] in recipe.toml: indexes.NAME = {{ url = "https://...", packages = ["{parsed.name}"] }}',
        )
    if near is not None:
        return WheelError(
            f"{requirement} is for no {wanted}; the nearest version that is: {near}",
            hint=f"write {parsed.name}=={near}",
        )
    for minor in _PYTHON_MINORS:
        newest = _newest(parsed.name, wanted.for_python(minor), uv)
        if newest is not None:
            there = f"{parsed.name} {newest} is for Python {minor} there"
            return WheelError(
                f"no version of {parsed.name} is for {wanted}; {there}",
                hint="take another package, or an image with that Python",
            )
    return WheelError(
        f"no version of {parsed.name} is for any Python with glibc {wanted.libc_version} on {wanted.arch}",
        hint="take another package",
    )


def _nearest(requirement: Requirement, wanted: Wanted, uv: Uv) -> Version | None:
    """The version nearest to what was asked for, of those that the system can have."""
    named = [Version(spec.version.removesuffix(".*")) for spec in requirement.specifier]
    if not named:
        return None
    asked, name = Version(max(named).public), requirement.name  # <, > take no local version such as +cu126
    same = _newest(f"{name}=={asked}", wanted, uv) if max(named).local else None
    near = (same, _newest(f"{name}<{asked}", wanted, uv), _newest(f"{name}>{asked}", wanted, uv, lowest=True))
    return min((version for version in near if version), key=lambda version: _distance(version, asked), default=None)


def _distance(one: Version, other: Version) -> tuple[int, ...]:
    """How far versions are apart, part by part: the first parts count most."""
    return tuple(abs(left - right) for left, right in zip(_parts(one), _parts(other), strict=True))


def _parts(version: Version) -> tuple[int, ...]:
    return (*version.release, 0, 0, 0, 0)[:4]


def _newest(requirement: str, wanted: Wanted, uv: Uv, *, lowest: bool = False) -> Version | None:
    done = uv.resolve_alone(wanted, requirement, lowest=lowest)
    if done.returncode:
        return None
    found = parse_pylock(done.text, wanted)
    usable = [package for package in found if package.wheel or package.source]
    return Version(usable[0].version) if usable else None
