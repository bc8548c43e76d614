"""What applications on one board have to share: whether another one still fits, and who meets where.

Pure functions. A cgroup's `memory.max` is a limit and no reservation: only the sum of all limits, kept below what the
board has, promises that no application dies because another one uses what it was allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.process.kernel_files import table_of
from edgekit.errors import RolloutError
from edgekit.judging.accelerators import find_overuse, not_added_up
from edgekit.schema.accelerators import AcceleratorUse
from edgekit.schema.board import reserve_bytes
from edgekit.schema.control import CpuShare
from edgekit.schema.manifest import Requires
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.units import format_bytes, format_cpus

MAX_APPLICATIONS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What one application may use of the board."""

    application: str
    memory_bytes: int
    cpus: frozenset[int]
    advisory: bool = False
    """Whether its limits are advice: it may begin where there is no room for them, and counts for others as ever."""
    accelerators: AcceleratorUse = AcceleratorUse()


def claim_of(plan: WorkerPlan) -> Claimed:
    """What a release may use."""
    limits = plan.limits
    return Claimed(
        application=plan.application,
        memory_bytes=limits.memory_max,
        cpus=frozenset(limits.cpuset_cpus),
        advisory=limits.advisory,
        accelerators=plan.accelerators,
    )


def claim_of_offer(application: str, requires: Requires) -> Claimed:
    """The same, as far as a manifest tells."""
    return Claimed(
        application=application,
        memory_bytes=requires.memory_bytes,
        cpus=frozenset(requires.cpus),
        advisory=not requires.cgroup_controllers,
        accelerators=requires.accelerators,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardMemory:
    """The board's memory; 0 where it is not known, and nothing is refused then."""

    total_bytes: int

    @property
    def reserve_bytes(self) -> int:
        """For the kernel, the system's services and the keeper: never promised to applications."""
        return reserve_bytes(self.total_bytes)


def read_memory(proc: Path) -> BoardMemory:
    """Source: proc_meminfo(5), MemTotal."""
    return BoardMemory(total_bytes=table_of(proc / "meminfo").get("MemTotal", 0) << 10)


def read_available(proc: Path) -> int:
    """Memory that is free or can be freed now; 0 where it is not known. Source: proc_meminfo(5), MemAvailable."""
    return table_of(proc / "meminfo").get("MemAvailable", 0) << 10


def check_memory(new: Claimed, others: Iterable[Claimed], memory: BoardMemory) -> None:
    """See that an application's memory limit, if it is enforced, fits beside those of all others that run or shall run.

    Raises:
        RolloutError: it does not; each share and the sum are named.
    """
    if new.advisory:
        return
    shares = [new, *(other for other in others if other.application != new.application)]
    needed = sum(share.memory_bytes for share in shares)
    usable = memory.total_bytes - memory.reserve_bytes
    if not memory.total_bytes or needed <= usable:
        return
    listed = " + ".join(f"{share.application} {format_bytes(share.memory_bytes)}" for share in shares)
    raise RolloutError(
        f"memory_max of all applications is more than the device has for them: {listed} = {format_bytes(needed)}, "
        f"there are {format_bytes(usable)} ({format_bytes(memory.total_bytes)} less "
        f"{format_bytes(memory.reserve_bytes)} for the system)",
        hint="lower limits.memory_max in recipe.toml, or make room: edgekit stop DEVICE APPLICATION",
    )


def check_accelerators(new: Claimed, others: Iterable[Claimed]) -> None:
    """See that nobody else has an application's NPU and DLA cores, and that accelerators have time for all.

    Raises:
        RolloutError: application, core and cure are named, or each share of its time and the sum.
    """
    there = {other.application: other.accelerators for other in others}
    for message, hint in find_overuse(new.application, new.accelerators, there):
        raise RolloutError(message, hint=hint)


def doubts(new: Claimed, others: Iterable[Claimed]) -> Iterator[str]:
    """What whoever begins an application should know of its neighbours: a sentence for each."""
    beside = [other for other in others if other.application != new.application]
    for share in shared_cpus(new, beside):
        yield f"{new.application} shares CPUs {share.cpus} with {share.application}"
    yield from not_added_up(
        new.application, new.accelerators, {other.application: other.accelerators for other in beside}
    )


def shared_cpus(one: Claimed, others: Iterable[Claimed]) -> tuple[CpuShare, ...]:
    """Which other applications may use CPUs of this one."""
    found = ((other.application, one.cpus & other.cpus) for other in others if other.application != one.application)
    return tuple(CpuShare(application=name, cpus=format_cpus(cpus)) for name, cpus in sorted(found, key=_name) if cpus)


def _name(pair: tuple[str, frozenset[int]]) -> str:
    return pair[0]
