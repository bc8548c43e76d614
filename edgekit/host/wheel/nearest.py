"""A requirement that is for no Python of the target: says so, and which version would be."""

from __future__ import annotations

from packaging.requirements import Requirement
from packaging.version import Version

from edgekit.errors import WheelError
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import parse_pylock
from edgekit.host.wheel.refusal import explain, names_unknown_package
from edgekit.host.wheel.uv import Uv

_PYTHON_MINORS = tuple(f"3.{minor}" for minor in range(14, 7, -1))


def refuse(requirement: str, wanted: Wanted, said: str, uv: Uv) -> WheelError:
    """The error for a requirement that has nothing for a system.

    Args:
        requirement: as written.
        wanted: the system.
        said: uv's words, if it said any.
        uv: is asked for other versions.
    """
    if names_unknown_package(said):
        return explain(wanted, said)
    parsed = Requirement(requirement)
    near = _nearest(parsed, wanted, uv)
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
    asked = max(named)
    name = requirement.name
    near = (_newest(f"{name}<{asked}", wanted, uv), _newest(f"{name}>{asked}", wanted, uv, lowest=True))
    return min((version for version in near if version), key=lambda version: _distance(version, asked), default=None)


def _distance(one: Version, other: Version) -> tuple[int, ...]:
    """How far versions are apart, part by part: the first parts count most."""
    return tuple(abs(left - right) for left, right in zip(_parts(one), _parts(other), strict=True))


def _parts(version: Version) -> tuple[int, ...]:
    return (*version.release, 0, 0, 0, 0)[:4]


def _newest(requirement: str, wanted: Wanted, uv: Uv, *, lowest: bool = False) -> Version | None:
    done = uv.resolve_alone(wanted, [requirement], unbuilt=[Requirement(requirement).name], lowest=lowest)
    if done.returncode:
        return None
    found = parse_pylock(done.stdout.decode(errors="replace"), wanted)
    usable = [package for package in found if package.wheel or package.source]
    return Version(usable[0].version) if usable else None
