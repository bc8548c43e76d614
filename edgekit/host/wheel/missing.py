"""Resolves single requirements, and explains why one cannot be had."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from edgekit.errors import WheelError
from edgekit.host.wheel.nearest import refuse
from edgekit.host.wheel.needs import Index, Rules, Wanted
from edgekit.host.wheel.pylock import Found, parse_pylock
from edgekit.host.wheel.refusal import explain, is_offline, unknown_package, wants_credentials, yanked_warnings
from edgekit.host.wheel.uv import Uv


def why(wanted: Wanted, stderr: str, uv: Uv) -> WheelError:
    """The error for a set that does not exist: a requirement that has nothing for the system, or what uv says."""
    if is_offline(stderr):
        return explain(wanted, stderr)
    name = unknown_package(stderr)
    index = next((index for index in wanted.rules.indexes if name in index.packages), None)
    if index is not None:
        return _not_in(index, name, wanted, stderr, uv)
    for text in wanted.requirements:
        find_alone(text, wanted, uv)
    return explain(wanted, stderr)


def _not_in(index: Index, name: str, wanted: Wanted, stderr: str, uv: Uv) -> WheelError:
    """The error for a package that its index does not give. Of an index for some packages uv does not say that it
    wants credentials; asked as an index for all, it does."""
    rules = Rules(indexes=(dataclasses.replace(index, packages=frozenset()),))
    alone = dataclasses.replace(wanted.only(name), rules=rules)
    done = uv.resolve_alone(alone, name)
    if wants_credentials(done.output):
        return explain(alone, done.output)
    return WheelError(
        f"the index {index.name} has no package {name}",
        hint=f"correct python.indexes.{index.name} in recipe.toml: its url, or take {name} out of its packages",
        details=stderr,
    )


def find_alone(
    requirement: str, wanted: Wanted, uv: Uv, *, sources_only: bool = False, note: Callable[[str], None] | None = None
) -> Found | None:
    """What uv chooses for one requirement; None where its marker is not for this system.

    Args:
        requirement: as pip reads it.
        wanted: the system and its indexes.
        uv: is asked.
        sources_only: leave out wheels.
        note: is given warnings.

    Raises:
        WheelError: there is nothing for this system; names the nearest version that is.
    """
    done = uv.resolve_alone(wanted, requirement, sources_only=sources_only)
    if done.returncode:
        stderr = done.stderr.decode(errors="replace").strip()
        raise explain(wanted, stderr) if is_offline(stderr) else refuse(requirement, wanted, stderr, uv)
    if note is not None:
        for warning in yanked_warnings(done.stderr.decode(errors="replace")):
            note(f"warning: {warning}")
    return next(iter(parse_pylock(done.text, wanted)), None)
