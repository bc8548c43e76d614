"""Which of a target's CPUs an application has: by count, by number, or by the names of clusters. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from edgekit.errors import InputError
from edgekit.schema.recipe import Limits
from edgekit.schema.target import Target
from edgekit.schema.units import format_cpus


def allot_cpus(limits: Limits, target: Target, *, advisory: bool) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Choose the application's CPUs: those that it or its clusters name, or the strongest, sparing CPU 0 where that
    leaves enough.

    Returns:
        CPU numbers, strongest first and ascending within a cluster, and warnings.

    Raises:
        InputError: the target has not that many.
    """
    there = target.cpus
    if not isinstance(limits.cpus, int):
        if names := [name for name in limits.cpus if isinstance(name, str)]:
            return _of_clusters(names, target, advisory=advisory)
        numbers = tuple(cpu for cpu in limits.cpus if isinstance(cpu, int))
        missing = [cpu for cpu in numbers if cpu not in there]
        if not missing:
            return numbers, ()
        message = (
            f"recipe.toml: limits.cpus names CPUs {format_cpus(tuple(missing))}, {target.name} has {format_cpus(there)}"
        )
        wanted = len(numbers)
    else:
        wanted = limits.cpus
        message = f"recipe.toml: limits.cpus asks for {wanted} CPUs, {target.name} has {len(there)}"
        if wanted <= len(there):
            spared = [cpu for cpu in there if cpu != 0]
            return tuple((spared if wanted <= len(spared) else there)[:wanted]), ()
    if not advisory:
        raise InputError(message, hint="ask for fewer CPUs, or build for another target")
    return there[:wanted], (f"{message}: it takes what there is",)


def _of_clusters(names: Sequence[str], target: Target, *, advisory: bool) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """All CPUs of clusters that are named, strongest first; see `allot_cpus`."""
    known = [cluster.name for cluster in target.clusters]
    meant: set[int] = set()
    for name in names:
        found = [one for one in target.clusters if one.name == name] or [
            one for one in target.clusters if re.fullmatch(f"{re.escape(name)}[0-9]+", one.name)
        ]
        if not found:
            closest = difflib.get_close_matches(name, known, n=1)
            there = f"has {', '.join(known)}" if known else "has no clusters with names"
            message = f"recipe.toml: limits.cpus names cluster {name}, {target.name} {there}"
            if advisory:
                return target.cpus, (f"{message}: it takes all CPUs",)
            cure = f'write "{closest[0]}"' if closest else "name one of those" if known else "write a count"
            raise InputError(message, hint=f"{cure}; edgekit target show {target.name}")
        meant.update(cpu for cluster in found for cpu in cluster.cpus)
    return tuple(cpu for cpu in target.cpus if cpu in meant), ()
