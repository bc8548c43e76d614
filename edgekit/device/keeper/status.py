"""`status`, put together from what the keeper's parts show. Never waits for any of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import edgekit
from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.process.supervisor import Supervisor
from edgekit.device.keeper.update.store import Store
from edgekit.schema.control import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Looks at keeper, worker and store; any thread may ask."""

    keeper: Keeper
    supervisor: Supervisor
    store: Store
    keeper_sha256: str
    """Of the program that runs, not of the one that a link may name by now."""
    pid: Callable[[], int] = os.getpid

    @property
    def version(self) -> str:
        """This keeper's version."""
        return edgekit.__version__

    def status(self, lock_holder: str) -> Status:
        """Everything that `edgekit status` shows."""
        view = self.keeper.view()
        state, worker = view.state, self.supervisor.status()
        return Status(
            keeper=self.version,
            keeper_pid=self.pid(),
            uptime_s=view.uptime_s,
            phase=state.phase,
            current=state.current,
            previous=state.previous,
            candidate=state.candidate,
            healthy=worker.pid != 0 and not view.unhealthy_because,
            unhealthy_because=view.unhealthy_because,
            worker=worker,
            report=view.report,
            last_failure=state.failure,
            lock_holder=lock_holder,
            store_bytes=self.store.size_bytes,
            disk_free_bytes=self.store.free_bytes,
        )

    def memory_pressure(self) -> float:
        """Percent of the last 10 s in which some of the worker waited for memory."""
        process = self.supervisor.process
        return process.memory().pressure_some_avg10 if process else 0.0
