"""Which source packages have to be built, once uv has found no set of wheels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.nearest import refuse
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import Found, parse_pylock
from edgekit.host.wheel.refusal import explain, is_offline
from edgekit.host.wheel.uv import Uv

_NO_METADATA = re.compile(r"Failed to (?:build|download and build|prepare) `([\w.-]+)==([\w.+!-]+)`")


def sources_needed(
    wanted: Wanted, built: Mapping[str, Source], folders: Sequence[Path], said: str, uv: Uv
) -> tuple[Source, ...]:
    """Source packages to build next: of the requirements themselves first, then of what these need.

    Args:
        wanted: requirements and system.
        built: what was built already, by name.
        folders: where the wheels of these lie.
        said: why uv found no set of wheels.
        uv: answers questions.

    Raises:
        WheelError: nothing that could be built would help.
    """
    if is_offline(said):
        raise explain(wanted, said)
    asked = [text for text in wanted.requirements if name_of(text) not in built]
    found = [package for text in asked for package in _alone(text, wanted, uv)]
    needed = tuple(_sources(found, asked, wanted, uv))
    if needed:
        return needed
    deeper = [package for package in _below(wanted, built, folders, uv) if package.name not in built]
    needed = tuple(_sources(deeper, asked, wanted, uv))
    if not needed:
        raise explain(wanted, said)
    return needed


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


def _alone(requirement: str, wanted: Wanted, uv: Uv) -> tuple[Found, ...]:
    found = find_alone(requirement, wanted, uv)
    return (found,) if found else ()


def _sources(found: Iterable[Found], asked: Sequence[str], wanted: Wanted, uv: Uv) -> Iterable[Source]:
    for package in found:
        if package.wheel is not None:
            continue
        text = next((text for text in asked if name_of(text) == package.name), package.name)
        if uv.resolve(wanted.only(text), deps=False).returncode == 0:
            continue  # an older version has a wheel
        if package.source is None:
            raise refuse(text, wanted, "", uv)
        yield package.source


def _below(wanted: Wanted, built: Mapping[str, Source], folders: Sequence[Path], uv: Uv) -> tuple[Found, ...]:
    """Every package of the whole resolution; of one whose metadata nobody can make here, the package alone."""
    pinned = wanted.with_more(f"{name}=={source.version}" for name, source in built.items())
    done = uv.resolve_with_sources(pinned, folders)
    if done.returncode == 0:
        return parse_pylock(done.stdout.decode(errors="replace"), wanted)
    failed = _NO_METADATA.search(done.stderr.decode(errors="replace"))
    return _alone(f"{failed[1]}=={failed[2]}", wanted, uv) if failed else ()
