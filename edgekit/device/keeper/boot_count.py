"""How often the board came up with a committed release that has not been healthy since.

A release may take the whole board down before anybody can judge it: a driver that panics, a power supply that gives in.
No trial sees that once it is committed. So a start is counted on disk before it is made, and only health clears it.
"""

from __future__ import annotations

from collections.abc import Callable

from edgekit.device.keeper.context import KeeperContext
from edgekit.device.keeper.incidents.release_notes import ReleaseNotes, SeenFailure
from edgekit.device.keeper.open_tickets import title
from edgekit.device.keeper.process.life import WorkerProcess
from edgekit.device.keeper.update.activation import NeverHealthy, ProvedHealthy, Starting, State, UpdateEvent
from edgekit.errors import EdgekitError

MOST_BOOTS = 3
"""After so many the release before it runs, where there is one."""


class BootCount:
    """One application's. Starts within one boot count once: a keeper that is started anew proves nothing."""

    def __init__(
        self,
        context: KeeperContext,
        notes: ReleaseNotes,
        apply: Callable[[UpdateEvent], None],
        log: Callable[[str], None],
    ) -> None:
        """Begin.

        Args:
            context: with this boot's name; nothing is counted where it has none.
            notes: put on record that a release was left.
            apply: saves what is counted.
            log: gets what was decided.
        """
        self._context = context
        self._notes, self._apply, self._log = notes, apply, log
        self._healthy_since_s: float | None = None

    def leave_unhealthy(self, state: State) -> None:
        """Go back to the release before where the committed one was not healthy in boot after boot."""
        current, previous = state.current, state.previous
        if current is None or previous is None or state.phase != "running" or not self._is_over(state):
            return
        reason = f"{title(current)} was not healthy in {state.boots} starts of the device"
        try:
            self._context.releases.committed(previous)
        except (EdgekitError, OSError) as error:
            self._log(f"{reason}, and {title(previous)} cannot take its place: {error}")
            return
        self._apply(NeverHealthy(failure=self._notes.failed(current, SeenFailure(kind="rolled_back", reason=reason))))
        self._log(f"{reason}: back to {title(previous)}")

    def starting(self, state: State) -> None:
        """The worker of this state is about to be started."""
        if state.phase == "running" and self._context.boot and state.boot != self._context.boot:
            self._apply(Starting(boot=self._context.boot))

    def look(self, state: State, process: WorkerProcess | None, *, healthy: bool) -> None:
        """Clear the count once the worker was healthy for as long as a trial asks for, without a break."""
        if process is None or not healthy or state.phase != "running" or not state.boots:
            self._healthy_since_s = None
            return
        now_s = self._context.clock()
        if self._healthy_since_s is None:
            self._healthy_since_s = now_s
        if now_s - self._healthy_since_s >= process.release.plan.health.settle_s:
            self._apply(ProvedHealthy())

    def _is_over(self, state: State) -> bool:
        return state.boots >= MOST_BOOTS and self._context.boot not in ("", state.boot)
