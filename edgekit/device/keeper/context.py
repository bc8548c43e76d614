"""What the applications of one keeper share, and what can be seen of each from outside."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from edgekit.device.keeper.admission import BoardMemory, Claimed
from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.incidents.recorder import IncidentRecorder
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.process.cgroup import Limiter
from edgekit.device.keeper.process.journal import Journal
from edgekit.device.keeper.process.life import WorkerContext
from edgekit.device.keeper.update.activation import State
from edgekit.device.keeper.update.board_settings import SettingsFiles
from edgekit.device.keeper.update.releases import Release, Releases
from edgekit.device.keeper.update.reserve import DiskReserve
from edgekit.schema.control import ReleaseRef
from edgekit.schema.plan import LimitsPlan
from edgekit.schema.report import Report
from edgekit.schema.worker_status import WorkerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperContext:
    """What all applications of one keeper share."""

    layout: Layout
    disk: Filesystem
    releases: Releases
    settings: SettingsFiles
    journal: Journal
    recorder: IncidentRecorder
    limiter: Limiter
    workers: WorkerContext
    memory: BoardMemory
    reserve: DiskReserve
    isolate: Callable[[frozenset[int]], object] = lambda _: None
    """Has CPUs to the applications alone; see `Isolation.keep`."""
    clock: Callable[[], float]
    """Monotonic seconds."""
    wall_clock: Callable[[], float]
    """Seconds since the epoch."""
    boot: str = ""
    """This boot's name; empty where the system has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationView:
    """What can be seen of an application from outside, now."""

    name: str
    state: State
    worker: WorkerStatus
    report: Report | None
    unhealthy_because: tuple[str, ...]
    claimed: Claimed


class Footprint:
    """The limits of an application's releases, as far as their plans have been read."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._limits: dict[str, LimitsPlan] = {}

    def note(self, release: Release) -> None:
        """Remember a release's limits."""
        self._limits = {**self._limits, release.ref.digest: release.plan.limits}

    def keep(self, digests: Collection[str]) -> None:
        """Forget all others."""
        self._limits = {digest: limits for digest, limits in self._limits.items() if digest in digests}

    def knows(self, ref: ReleaseRef) -> bool:
        """Whether a release's limits were noted."""
        return ref.digest in self._limits

    def of(self, *refs: ReleaseRef | None) -> Claimed:
        """What any one of these releases may use: the most memory, and all CPUs."""
        limits = [self._limits[ref.digest] for ref in refs if ref and ref.digest in self._limits]
        return Claimed(
            application=self._application,
            memory_bytes=max((limit.memory_max for limit in limits), default=0),
            cpus=frozenset(cpu for limit in limits for cpu in limit.cpuset_cpus),
            advisory=all(limit.advisory for limit in limits),
        )
