"""One application: which of its releases runs, and what happens when that one fails.

The keeper's loop turns it; no other thread calls anything but `view`.
"""

from __future__ import annotations

from edgekit.device.keeper.admission import Claimed
from edgekit.device.keeper.context import ApplicationView, Footprint, KeeperContext
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.open_tickets import OpenTickets, title
from edgekit.device.keeper.process.supervisor import Ended, Reported, Supervisor
from edgekit.device.keeper.update.activation import (
    AT_REST,
    Activate,
    BecameHealthy,
    LostHealth,
    ReleaseFailed,
    Restored,
    Resume,
    SavedState,
    Settled,
    Started,
    State,
    Stop,
    UpdateEvent,
    wanted,
)
from edgekit.device.keeper.update.health import Probation, judge, observe, verdict
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import EdgekitError, LockHeld, NothingSelected, RolloutError
from edgekit.schema.control import ReleaseFailure, ReleaseRef
from edgekit.schema.report import Report

_TAIL_LINES = 20


class Application:
    """Runs what its saved state wants, and changes that state on request or when its worker fails."""

    def __init__(self, name: str, context: KeeperContext) -> None:
        self.name = name
        self._context = context
        self._clock = context.clock
        self._supervisor = Supervisor(name, context.layout, context.limiter, context.workers)
        self.waiting = OpenTickets(name)
        """Those who asked for something."""
        self._candidate: Release | None = None
        self._probation: Probation | None = None
        self._footprint = Footprint(name)
        self._healthy_by_s = 0.0
        self._mark = 0
        self._broken = ""
        self._closing = False
        self._saved = SavedState(context.layout.state_file(name), context.disk, context.wall_clock())
        known = self._state.failure
        self._apply(Started(at_s=context.wall_clock()))
        failure = self._state.failure
        if failure and (failure != known or not failure.digest):
            self._log(failure.reason)

    @property
    def _state(self) -> State:
        return self._saved.state

    @property
    def supervisor(self) -> Supervisor:
        """Of its worker."""
        return self._supervisor

    @property
    def busy(self) -> bool:
        """Whether it must be looked at often: an activation or a request is under way."""
        return self._closing or self.waiting.anybody or self._state.phase not in AT_REST

    @property
    def lost(self) -> bool:
        """Whether its state could not be read: which releases are its own is not known."""
        return self._saved.lost

    @property
    def references(self) -> frozenset[str]:
        """Digests of the releases that it needs."""
        state = self._state
        return frozenset(ref.digest for ref in (state.current, state.previous, state.candidate) if ref)

    @property
    def claimed(self) -> Claimed:
        """What it may use: the larger of the releases on trial and committed, as each may have to run."""
        state = self._state
        return self._footprint.of(*(() if state.phase in ("idle", "stopped") else (state.candidate, state.current)))

    def claim_of_current(self) -> Claimed:
        """What it may use once its committed release runs again.

        Raises:
            EdgekitError: there is none, or it cannot be read.
        """
        current = self._state.current
        if current is None:
            raise NothingSelected(f"{self.name} has no committed release", hint="edgekit deploy a release of it")
        if not self._footprint.knows(current):
            self._footprint.note(self._context.releases.committed(current))
        return self._footprint.of(current)

    def view(self) -> ApplicationView:
        """For any thread; never waits."""
        process = self._supervisor.process
        return ApplicationView(
            name=self.name,
            state=self._state,
            worker=self._supervisor.status(),
            report=process.report if process else None,
            unhealthy_because=self._unhealthy(),
            claimed=self.claimed,
            pressure_percent=self._supervisor.pressure_percent(),
        )

    # Requests

    def begin(self, release: Release, ticket: Ticket, notes: tuple[str, ...]) -> None:
        """Try a release, and commit it when it stays healthy.

        Raises:
            EdgekitError: it is refused, and nothing has changed.
        """
        self._check_rest()
        if self._state.current and self._state.current.digest == release.ref.digest:
            self.resume(ticket)
            return
        self._supervisor.check(release)
        self._apply(Activate(candidate=release.ref))
        self._footprint.note(release)
        self._candidate, self._probation = release, None
        self.waiting.activation(ticket, notes)
        self.waiting.announce(self._state.phase, self.summary())

    def resume(self, ticket: Ticket) -> None:
        """Run the committed release, and wait until it is healthy.

        Raises:
            EdgekitError: it is refused, and nothing has changed.
        """
        self._check_rest()
        self.claim_of_current()
        self._apply(Resume())
        self._broken = ""
        release = self._supervisor.release
        self._healthy_by_s = self._clock() + (release.plan.health.start_s if release else 0.0)
        self.waiting.start(ticket)

    def halt(self, ticket: Ticket) -> None:
        """Stop it, until it is resumed or a release is activated.

        Raises:
            LockHeld: an activation is going on.
        """
        self._check_rest()
        self._apply(Stop())
        self.waiting.stop(ticket)

    def retire(self, ticket: Ticket) -> None:
        """Stop it for good; see `removable`.

        Raises:
            LockHeld: an activation is going on.
        """
        self._check_rest()
        self._apply(Stop())
        self.waiting.removal = ticket

    @property
    def removable(self) -> bool:
        """Whether it can be forgotten now: somebody wants that, and nothing of it runs any more."""
        return self.waiting.removal is not None and self._supervisor.stopped

    def close(self) -> None:
        """Let the worker end, whatever the state wants."""
        self._closing = True

    def step(self) -> None:
        """One turn: look at the worker, decide, and make it so."""
        for event in self._supervisor.step():
            match event:
                case Reported(report=report):
                    self._heard(report)
                case Ended(reason=reason):
                    self._lost(reason)
        self._judge()
        self._reconcile()
        self._answer_starts()

    def summary(self) -> str:
        """Its phase and release in one line."""
        ref = wanted(self._state)
        return f"{self._state.phase}: {title(ref)}" if ref else f"{self._state.phase}: {self.name}"

    def _check_rest(self) -> None:
        if self._state.phase not in AT_REST or self.waiting.removal:
            what = "a removal" if self.waiting.removal else "an activation"
            raise LockHeld(f"{what} of {self.name} is going on", hint="edgekit status shows where it stands")

    # What the worker does

    def _heard(self, report: Report) -> None:
        self.waiting.report(report)
        if self._state.phase == "rolling_back" and report.phase == "running":
            self._restored("")

    def _lost(self, reason: str) -> None:
        if self._state.phase in ("activating", "settling"):
            self._fail(reason)
        elif self._state.phase == "running" and self._state.current:
            self._saved.note(ReleaseFailed(failure=self._failure(self._state.current, reason, ())))
            self._mark = self._context.journal.count
            self.waiting.unhealthy(self._state.current, reason)

    def _judge(self) -> None:
        """Move a probation, or a roll-back, on."""
        process, now = self._supervisor.process, self._clock()
        if self._state.phase == "rolling_back" and self._healthy_by_s and now >= self._healthy_by_s:
            self._restored(f", which does not come up again: {self._supervisor.last_exit or 'it reports nothing'}")
        if not self._probation or not process or process.release is not self._candidate:
            return
        self._probation = observe(self._probation, process.report, now - process.heard_s, now)
        standing, reason = verdict(self._probation, now)
        match standing:
            case "waiting":
                self._apply(LostHealth())
            case "settling" | "settled":
                self._apply(BecameHealthy())
                if standing == "settled":
                    self._commit()
            case "failed":
                self._fail(reason)

    def _commit(self) -> None:
        try:
            self._apply(Settled())
        except RolloutError as error:
            self._fail(f"it was healthy, but could not be committed: {error.message}")
            return
        ref = self._state.current
        self._probation = self._candidate = None
        assert ref is not None
        self.waiting.committed(ref)

    def _fail(self, reason: str) -> None:
        """End a probation badly: the release that ran before is wanted again."""
        ref = self._state.candidate
        assert ref is not None
        failure = self._failure(ref, reason, self._probation.probes if self._probation else ())
        self._probation = self._candidate = None
        self._healthy_by_s = 0.0
        self._apply(ReleaseFailed(failure=failure))
        if self._state.current is None:
            self.waiting.rolled_back(failure, "; nothing runs now, as there is no release to go back to")

    def _restored(self, but: str) -> None:
        """The roll-back is over, well or, with a reason, badly."""
        self._apply(Restored())
        current = self._state.current
        outcome = f"; back to {title(current)}{but or ', which runs again'}" if current else ""
        self.waiting.rolled_back(self._state.failure, outcome)

    def _answer_starts(self) -> None:
        """Whoever waits for the committed release to run learns that it is healthy, or why it is not."""
        current = self._state.current
        if not self.waiting.for_start or current is None:
            return
        if self._state.phase != "running" or self._closing:
            self.waiting.unhealthy(current, "it was told to do something else meanwhile")
        elif self._broken:
            self.waiting.unhealthy(current, self._broken)
        elif self._supervisor.release:  # else the worker before is still ending
            reasons = self._unhealthy()
            if not reasons:
                self.waiting.healthy(current)
            elif self._clock() >= self._healthy_by_s:
                self.waiting.unhealthy(current, "; ".join(reasons))

    def _unhealthy(self) -> tuple[str, ...]:
        process = self._supervisor.process
        if process:
            return judge(process.release.plan.health, process.report, self._clock() - process.heard_s)
        if wanted(self._state):
            return (self._broken or f"no worker runs: {self._supervisor.last_exit or 'it is being started'}",)
        return (self._state.failure.reason,) if self.lost and self._state.failure else ()

    # Making it so

    def _reconcile(self) -> None:
        """Bring the supervisor to what the state wants: one release stops before another starts."""
        ref = None if self._closing else wanted(self._state)
        running = self._supervisor.release
        if running and (ref is None or running.ref.digest != ref.digest):
            self._supervisor.stop()
        if ref and self._supervisor.stopped and not self._broken:
            self._start(ref)
        if self._supervisor.stopped:
            self.waiting.stopped()

    def _start(self, ref: ReleaseRef) -> None:
        candidate = self._candidate
        try:
            release = candidate if candidate and candidate.ref == ref else self._context.releases.committed(ref)
        except (EdgekitError, OSError) as error:
            self._broken = f"{title(ref)} cannot be started: {error}"
            self._log(self._broken)
            self._restored(f", but {error}")
            return
        self._mark = self._context.journal.count
        self._footprint.keep(self.references)
        self._footprint.note(release)
        self._supervisor.start(release)
        self._supervisor.step()
        health, now = release.plan.health, self._clock()
        if release is candidate:
            self._probation = Probation(health=health, golden=release.plan.golden is not None, started_s=now)
        self._healthy_by_s = now + health.start_s

    def _apply(self, event: UpdateEvent) -> None:
        """Save the next state, then be in it.

        Raises:
            RolloutError: a state that promises something could not be saved, and is not entered.
        """
        before = self._state.phase
        trouble = self._saved.apply(event)
        if trouble:
            self._log(trouble)
        if self._state.phase != before:
            self.waiting.announce(self._state.phase, self.summary())
            self._log(self.summary())
        if isinstance(event, (Activate, ReleaseFailed)):
            self._broken = ""

    def _failure(self, ref: ReleaseRef, reason: str, probes: tuple[str, ...]) -> ReleaseFailure:
        tail = self._context.journal.tail(_TAIL_LINES, self._mark, self.name)
        return ReleaseFailure(
            digest=ref.digest,
            application=ref.application,
            version=ref.version,
            reason=reason,
            probes=probes,
            log_tail=tuple(line.text for line in tail),
            at_s=self._context.wall_clock(),
        )

    def _log(self, text: str) -> None:
        self._context.journal.write(f"keeper: {text}", self.name)
