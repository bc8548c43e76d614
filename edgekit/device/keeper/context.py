"""What the applications of one keeper share, and what can be seen of each from outside."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from edgekit.device.keeper.admission import BoardMemory, Claimed, claim_of
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
from edgekit.judging.accelerators import either
from edgekit.schema.control import ReleaseRef
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
    available_bytes: Callable[[], int]
    """Memory that is free or can be freed now; 0 where it is not known."""
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
    """What an application's releases may use, as far as their plans have been read."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._claims: dict[str, Claimed] = {}

    def note(self, release: Release) -> None:
        """Remember what a release may use."""
        self._claims = {**self._claims, release.ref.digest: claim_of(release.plan)}

    def keep(self, digests: Collection[str]) -> None:
        """Forget all others."""
        self._claims = {digest: claim for digest, claim in self._claims.items() if digest in digests}

    def knows(self, ref: ReleaseRef) -> bool:
        """Whether a release was noted."""
        return ref.digest in self._claims

    def of(self, *refs: ReleaseRef | None) -> Claimed:
        """What any one of these releases may use: the most memory, all CPUs, all accelerators."""
        claims = [self._claims[ref.digest] for ref in refs if ref and ref.digest in self._claims]
        return Claimed(
            application=self._application,
            memory_bytes=max((claim.memory_bytes for claim in claims), default=0),
            cpus=frozenset(cpu for claim in claims for cpu in claim.cpus),
            advisory=all(claim.advisory for claim in claims),
            accelerators=either(claim.accelerators for claim in claims),
        )
