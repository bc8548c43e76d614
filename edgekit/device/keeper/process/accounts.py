"""What the kernel has counted for one application's cgroup: parts of its memory, its limits' events, time, pressure.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst and Documentation/accounting/psi.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.device.keeper.process.kernel_files import as_number, number_of, table_of, text_of

MEMORY_PARTS = ("anon", "file", "kernel", "shmem", "slab", "sock", "pagetables", "inactive_file")
"""Of `memory.stat`; the last one lies in `file`, and can be taken back at once."""
RESOURCES = ("cpu", "io", "memory")
"""That tasks wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafAccounts:
    """A cgroup's counters, now. What this kernel does not count is not there."""

    memory: Mapping[str, int] = field(default_factory=dict)
    """Bytes, by part: see `MEMORY_PARTS`."""
    memory_events: Mapping[str, int] = field(default_factory=dict)
    """How often, since the worker's start: `high`, `max`, `oom`, `oom_kill` and others."""
    waited_s: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """How long `some` or all (`full`) of its tasks waited, by resource and that word."""
    cpu_s: float | None = None
    throttled_s: float | None = None
    """How long `cpu.max` held it up."""
    tasks: int | None = None
    """Its processes and threads."""


def read_accounts(leaf: Path) -> LeafAccounts:
    """Read a cgroup's counters; of one that is gone there are none."""
    stat, cpu = table_of(leaf / "memory.stat"), table_of(leaf / "cpu.stat")
    return LeafAccounts(
        memory={part: stat[part] for part in MEMORY_PARTS if part in stat},
        memory_events=table_of(leaf / "memory.events"),
        waited_s=read_waits(leaf, "{}.pressure"),
        cpu_s=_seconds(cpu, "usage_usec"),
        throttled_s=_seconds(cpu, "throttled_usec"),
        tasks=number_of(leaf / "pids.current"),
    )


def read_waits(folder: Path, name: str) -> dict[tuple[str, str], float]:
    """Seconds that tasks waited, by resource and `some` or `full`.

    Args:
        folder: a cgroup's, or /proc/pressure.
        name: of a resource's file there; `{}` stands for the resource.
    """
    found: dict[tuple[str, str], float] = {}
    for resource in RESOURCES:
        for line in text_of(folder / name.format(resource)).splitlines():
            kind, *pairs = line.split() or [""]
            total_us = as_number(dict(pair.partition("=")[::2] for pair in pairs).get("total", ""))
            if total_us is not None:
                found[resource, kind] = total_us / 1e6
    return found


def _seconds(counts: Mapping[str, int], name: str) -> float | None:
    return counts[name] / 1e6 if name in counts else None
