"""What stands between uv's answer and a set of wheels: packages to build, and packages to take as older wheels."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edgekit.errors import WheelError
from edgekit.executor import Completed
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.nearest import refuse
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import Found, parse_pylock
from edgekit.host.wheel.refusal import explain, is_offline
from edgekit.host.wheel.uv import Uv

_NO_METADATA = re.compile(r"Failed to (?:build|download and build|prepare) `([\w.-]+)==([\w.+!-]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What to do before uv is asked again."""

    build: tuple[Source, ...] = ()
    """Packages of which no version has a wheel that fits."""
    binary: tuple[str, ...] = ()
    """Packages whose newest version has no wheel that fits, and an older one has: that one is taken."""


def missing_from(done: Completed, wanted: Wanted, built: Collection[str], uv: Uv) -> Missing:
    """What is missing from a set that uv found, or did not find.

    Args:
        done: uv's answer.
        wanted: requirements and system.
        built: names of what was built already.
        uv: answers questions.

    Raises:
        WheelError: nothing that could be built would help.
    """
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        failed = _NO_METADATA.search(said)
        if failed is None or is_offline(said):
            raise _why(wanted, said, uv)
        packages: Sequence[Found] = list(_alone(f"{failed[1]}=={failed[2]}", wanted, uv))
    else:
        packages = parse_pylock(done.stdout.decode(errors="replace"), wanted)
    lacking = [package for package in packages if package.wheel is None and package.name not in built]
    build, binary = [], []
    for package in lacking:
        text = next((text for text in wanted.requirements if name_of(text) == package.name), package.name)
        if uv.resolve(wanted.only(text), binary=[":all:"], deps=False).returncode == 0:
            binary.append(package.name)
        elif package.source is None:
            raise refuse(text, wanted, "", uv)
        else:
            build.append(package.source)
    return Missing(build=tuple(build), binary=tuple(binary))


def _why(wanted: Wanted, said: str, uv: Uv) -> WheelError:
    """The error for a set that does not exist: a requirement that has nothing for the system, or what uv says."""
    if not is_offline(said):
        for text in wanted.requirements:
            find_alone(text, wanted, uv)
    return explain(wanted, said)


def name_of(requirement: str) -> str:
    """The normalised name in a requirement."""
    return str(canonicalize_name(Requirement(requirement).name))


def find_alone(requirement: str, wanted: Wanted, uv: Uv, *, sources_only: bool = False) -> Found | None:
    """What uv chooses for one requirement; None where its marker is not for this system.

    Raises:
        WheelError: there is nothing for this system; names the nearest version that is.
    """
    done = uv.resolve_alone(wanted, [requirement], unbuilt=[name_of(requirement)], sources_only=sources_only)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise explain(wanted, said) if is_offline(said) else refuse(requirement, wanted, said, uv)
    return next(iter(parse_pylock(done.stdout.decode(errors="replace"), wanted)), None)


def _alone(requirement: str, wanted: Wanted, uv: Uv) -> Iterator[Found]:
    found = find_alone(requirement, wanted, uv)
    if found:
        yield found
