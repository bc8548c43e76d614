"""`status`, put together from what the keeper's parts show. Waits for none but the sensors, and not long for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import edgekit
from edgekit.device.keeper.admission import shared_cpus
from edgekit.device.keeper.context import ApplicationView
from edgekit.device.keeper.loop import Keeper, KeeperView
from edgekit.device.keeper.metrics import Looked
from edgekit.device.keeper.process.accounts import read_waits
from edgekit.device.keeper.update.store import Store
from edgekit.schema.control import PROTOCOL, ApplicationStatus, Hello, Status
from edgekit.schema.control_features import FEATURES
from edgekit.schema.report import without_metrics
from edgekit.schema.telemetry import BoardTelemetry
from edgekit.schema.worker_status import Confinement


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Looks at keeper, workers and store; any thread may ask."""

    keeper: Keeper
    store: Store
    keeper_sha256: str
    """Of the program that runs, not of the one that a link may name by now."""
    sensors: Callable[[], BoardTelemetry] | None = None
    """Reads the board's sensors; None where nothing can."""
    confinement: Confinement | None = None
    """What it can take away from workers."""
    pid: Callable[[], int] = os.getpid
    proc: Path = Path("/proc")

    @property
    def version(self) -> str:
        """This keeper's version."""
        return edgekit.__version__

    def hello(self, trust_version: int) -> Hello:
        """What a client is greeted with; it is told which version of the trust file is in force."""
        return Hello(
            keeper=self.version,
            protocol=PROTOCOL,
            keeper_sha256=self.keeper_sha256,
            features=FEATURES,
            trust_version=trust_version,
        )

    def looked(self) -> Looked:
        """What metrics tell beside the status."""
        return Looked(
            pressures=self.keeper.pressures(),
            accounts=self.keeper.accounts(),
            board_waited_s=read_waits(self.proc / "pressure", "{}"),
        )

    def status(self, locks: Mapping[str, str], *, with_metrics: bool = False) -> Status:
        """Everything that `edgekit status` shows.

        Args:
            locks: who deploys which application.
            with_metrics: whether reports hold their text for Prometheus, the bulk of them.
        """
        view = self.keeper.view()
        return Status(
            keeper=self.version,
            keeper_pid=self.pid(),
            uptime_s=view.uptime_s,
            applications=tuple(_status(found, view, with_metrics) for found in view.applications),
            locks=dict(locks),
            memory_total_bytes=view.memory.total_bytes,
            memory_promised_bytes=sum(found.claimed.memory_bytes for found in view.applications),
            memory_reserve_bytes=view.memory.reserve_bytes,
            store_bytes=self.store.size_bytes,
            disk_free_bytes=self.store.free_bytes,
            board=self.sensors() if self.sensors else None,
            confinement=self.confinement,
        )


def _status(found: ApplicationView, view: KeeperView, with_metrics: bool) -> ApplicationStatus:
    state, report = found.state, found.report
    return ApplicationStatus(
        application=found.name,
        phase=state.phase,
        current=state.current,
        previous=state.previous,
        candidate=state.candidate,
        healthy=found.worker.pid != 0 and not found.unhealthy_because,
        unhealthy_because=found.unhealthy_because,
        worker=found.worker,
        report=without_metrics(report) if report and not with_metrics else report,
        last_failure=state.failure,
        shares_cpus=shared_cpus(found.claimed, (other.claimed for other in view.applications)),
        accelerators=found.claimed.accelerators,
    )
