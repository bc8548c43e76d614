"""The keeper's loop: the only thread that decides what runs.

Connections post what they want and wait for the answer on a `Ticket`; everybody may look through `view` at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.notify import Notifier
from edgekit.device.keeper.process.journal import Journal
from edgekit.device.keeper.process.supervisor import Ended, Reported, Supervisor
from edgekit.device.keeper.update.activation import (
    Activate,
    BecameHealthy,
    Failed,
    Happening,
    LostHealth,
    Machine,
    Restored,
    Resume,
    Settled,
    Started,
    State,
    Stop,
    wanted,
)
from edgekit.device.keeper.update.disk import Disk
from edgekit.device.keeper.update.health import Trial, judge, observe, verdict
from edgekit.device.keeper.update.releases import Release, Releases
from edgekit.device.keeper.waker import Waker
from edgekit.errors import EdgekitError, LockHeld, RolloutError, Unreachable
from edgekit.schema.control import Failure, ReleaseRef
from edgekit.schema.report import Report

_TURN_S, _BUSY_TURN_S = 10.0, 0.5
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the keeper is made of."""

    layout: Layout
    disk: Disk
    releases: Releases
    supervisor: Supervisor
    journal: Journal
    notifier: Notifier
    clock: Callable[[], float]
    """Monotonic seconds."""
    wall_clock: Callable[[], float]
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What can be seen of the keeper from outside, now."""

    state: State
    report: Report | None
    unhealthy_because: tuple[str, ...]
    uptime_s: float


class Keeper:
    """Runs what the saved state wants, and changes that state on request or when a worker fails."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._supervisor = parts.supervisor
        self._clock = parts.clock
        self._began_s = parts.clock()
        self.waker = Waker()
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._ticket: Ticket | None = None
        self._stop_tickets: list[Ticket] = []
        self._candidate: Release | None = None
        self._trial: Trial | None = None
        self._restore_by_s = 0.0
        self._mark = 0
        self._broken = ""
        self._closing = False
        self._machine = Machine(parts.layout.state_file, parts.disk, parts.wall_clock())
        known = self._state.failure
        self._apply(Started(at_s=parts.wall_clock()))
        told = self._state.failure
        if told and (told != known or not told.digest):
            self._say(told.reason)

    @property
    def _state(self) -> State:
        return self._machine.state

    def view(self) -> View:
        """For any thread; never waits."""
        process = self._supervisor.process
        state = self._state
        reasons: tuple[str, ...] = ()
        if process:
            health = process.release.plan.health
            reasons = judge(health, process.report, self._clock() - process.heard_s)
        elif wanted(state):
            reasons = (self._broken or f"no worker runs: {self._supervisor.last_exit or 'it is being started'}",)
        return View(
            state=state,
            report=process.report if process else None,
            unhealthy_because=reasons,
            uptime_s=self._clock() - self._began_s,
        )

    def activate(self, release: Release) -> Ticket:
        """Ask for a release to be tried and committed."""
        return self._post(lambda ticket: self._begin(release, ticket))

    def stop(self) -> Ticket:
        """Ask for nothing to run until the next activation, resumption or start of the keeper."""
        return self._post(self._halt)

    def close(self) -> None:
        """Let `run` return once the worker has ended. Safe in a signal handler and from any thread."""
        self._closing = True
        self.waker.wake()

    def run(self) -> None:
        """Turn the loop until `close`."""
        while not (self._closing and self._supervisor.stopped):
            self.waker.sleep(self._supervisor.descriptors, self._patience_s())
            self.step()
        for ticket in (self._ticket, *self._stop_tickets):
            if ticket:
                ticket.fail(Unreachable("the keeper is being stopped", hint="try again when it is back"))

    def step(self) -> None:
        """One turn: take what was posted, look at the worker, decide, and make it so."""
        while not self._posted.empty():
            self._posted.get()()
        for event in self._supervisor.step():
            match event:
                case Reported(report=report):
                    self._heard(report)
                case Ended(reason=reason):
                    self._lost(reason)
        self._judge()
        self._reconcile()
        self._parts.notifier.status(self._summary())
        self._parts.notifier.feed()

    # What connections ask for, on the loop's thread

    def _begin(self, release: Release, ticket: Ticket) -> None:
        state = self._state
        if state.phase not in ("idle", "running", "stopped"):
            ticket.fail(LockHeld("an activation is going on", hint="edgekit status shows where it stands"))
        elif state.current and state.current.digest == release.ref.digest:
            self._apply(Resume())
            self._broken = ""
            ticket.done(f"{_title(release.ref)} is the current release")
        else:
            try:
                self._supervisor.check(release)
                self._apply(Activate(candidate=release.ref))
            except EdgekitError as error:
                ticket.fail(error)
                return
            self._candidate, self._ticket, self._trial = release, ticket, None
            self._announce()

    def _halt(self, ticket: Ticket) -> None:
        if self._state.phase not in ("idle", "running", "stopped"):
            ticket.fail(LockHeld("an activation is going on", hint="edgekit status shows where it stands"))
            return
        self._apply(Stop())
        self._stop_tickets.append(ticket)

    # What the worker does

    def _heard(self, report: Report) -> None:
        if self._ticket:
            self._ticket.report(report)
        if self._state.phase == "rolling_back" and report.phase == "running":
            self._restored("")

    def _lost(self, reason: str) -> None:
        if self._state.phase in ("activating", "settling"):
            self._fail(reason)
        elif self._state.phase == "running" and self._state.current:
            self._machine.note(Failed(failure=self._failure(self._state.current, reason, ())))
            self._mark = self._parts.journal.count

    def _judge(self) -> None:
        """Move a trial, or a roll-back, on."""
        process, now = self._supervisor.process, self._clock()
        if self._state.phase == "rolling_back" and self._restore_by_s and now >= self._restore_by_s:
            self._restored(f", which does not come up again: {self._supervisor.last_exit or 'it reports nothing'}")
        if not self._trial or not process or process.release is not self._candidate:
            return
        self._trial = observe(self._trial, process.report, now - process.heard_s, now)
        stage, reason = verdict(self._trial, now)
        match stage:
            case "waiting":
                self._apply(LostHealth())
            case "settling" | "settled":
                self._apply(BecameHealthy())
                if stage == "settled":
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
        self._trial = self._candidate = None
        if self._ticket and ref:
            self._ticket.done(f"{_title(ref)} is committed")
        self._ticket = None

    def _fail(self, reason: str) -> None:
        """End a trial badly: the release that ran before is wanted again."""
        ref = self._state.candidate
        assert ref is not None
        failure = self._failure(ref, reason, self._trial.probes if self._trial else ())
        self._trial = self._candidate = None
        self._restore_by_s = 0.0
        self._apply(Failed(failure=failure))
        if self._state.current is None:
            self._answer_failure("; nothing runs now, as there is no release to go back to")

    def _restored(self, but: str) -> None:
        """The roll-back is over, well or, with a reason, badly."""
        self._apply(Restored())
        current = self._state.current
        self._answer_failure(f"; back to {_title(current)}{but or ', which runs again'}" if current else "")

    def _answer_failure(self, outcome: str) -> None:
        failure = self._state.failure
        if self._ticket and failure:
            what = f"{failure.application} {failure.version}"
            self._ticket.fail(
                RolloutError(
                    f"{what} was rolled back: {failure.reason}{outcome}",
                    hint="edgekit logs shows more; mend the recipe, build and deploy again",
                    details="\n".join([*failure.probes, *failure.log_tail]),
                )
            )
        self._ticket = None

    # Making it so

    def _reconcile(self) -> None:
        """Bring the supervisor to what the state wants: one release stops before another starts."""
        ref = None if self._closing else wanted(self._state)
        running = self._supervisor.release
        if running and (ref is None or running.ref.digest != ref.digest):
            self._supervisor.stop()
        if ref and self._supervisor.stopped and not self._broken:
            self._start(ref)
        if self._supervisor.stopped and self._stop_tickets:
            for ticket in self._stop_tickets:
                ticket.done("stopped")
            self._stop_tickets.clear()

    def _start(self, ref: ReleaseRef) -> None:
        candidate = self._candidate
        try:
            release = candidate if candidate and candidate.ref == ref else self._parts.releases.committed(ref)
        except (EdgekitError, OSError) as error:
            self._broken = f"{_title(ref)} cannot be started: {error}"
            self._say(self._broken)
            self._restored(f", but {error}")
            return
        self._mark = self._parts.journal.count
        self._supervisor.start(release)
        self._supervisor.step()
        health, now = release.plan.health, self._clock()
        if release is candidate:
            self._trial = Trial(health=health, golden=release.plan.golden is not None, started_s=now)
        self._restore_by_s = now + health.start_s

    def _apply(self, happening: Happening) -> None:
        """Save the next state, then be in it.

        Raises:
            RolloutError: a state that promises something could not be saved, and is not entered.
        """
        before = self._state.phase
        trouble = self._machine.apply(happening)
        if trouble:
            self._say(trouble)
        if self._state.phase != before:
            self._announce()
            self._say(self._summary())
        if isinstance(happening, (Activate, Failed)):
            self._broken = ""

    def _failure(self, ref: ReleaseRef, reason: str, probes: tuple[str, ...]) -> Failure:
        tail = self._parts.journal.tail(_TAIL_LINES, self._mark)
        return Failure(
            digest=ref.digest,
            application=ref.application,
            version=ref.version,
            reason=reason,
            probes=probes,
            log_tail=tuple(line.text for line in tail),
            at_s=self._parts.wall_clock(),
        )

    def _announce(self) -> None:
        if self._ticket:
            self._ticket.state(self._state.phase, self._summary())

    def _summary(self) -> str:
        ref = wanted(self._state)
        return f"{self._state.phase}: {_title(ref)}" if ref else self._state.phase

    def _say(self, text: str) -> None:
        self._parts.journal.write(f"keeper: {text}")

    def _post(self, work: Callable[[Ticket], None]) -> Ticket:
        ticket = Ticket()
        self._posted.put(lambda: work(ticket))
        self.waker.wake()
        return ticket

    def _patience_s(self) -> float:
        settled = self._state.phase in ("idle", "running", "stopped") and not self._stop_tickets and not self._closing
        longest = _TURN_S if settled else _BUSY_TURN_S
        if self._parts.notifier.watchdog_s:
            longest = min(longest, self._parts.notifier.watchdog_s / 4)
        due = self._supervisor.wake_at_s
        return longest if due is None else min(longest, max(0.0, due - self._clock()) + 0.01)


def _title(ref: ReleaseRef) -> str:
    return f"{ref.application} {ref.version} ({ref.digest[:12]})"
