"""Runs the releases of one application as its saved state wants: judges the one on trial, takes a failed one back."""

from __future__ import annotations

from dataclasses import replace

from edgekit.device.keeper.boot_count import BootCount
from edgekit.device.keeper.context import Footprint, KeeperContext
from edgekit.device.keeper.damage_watch import DamageWatch
from edgekit.device.keeper.incidents.release_notes import ReleaseNotes, SeenFailure
from edgekit.device.keeper.open_tickets import OpenTickets, title
from edgekit.device.keeper.process.growing_delay import GrowingDelay
from edgekit.device.keeper.process.post import usual_post
from edgekit.device.keeper.process.supervisor import Ended, Reported, Supervisor
from edgekit.device.keeper.process.worker_exit import Exit
from edgekit.device.keeper.update.activation import (
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
    UpdateEvent,
    wanted,
)
from edgekit.device.keeper.update.health import Probation, judge, observe, verdict
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import Cause, EdgekitError, RolloutError
from edgekit.judging.error_causes import cause_of
from edgekit.schema.control import ReleaseFailure, ReleaseRef
from edgekit.schema.report import Report

_SUSPECT_TRIES = 3
"""So many starts that came to nothing, and the release is read whole: its disk may rot."""


class ReleaseDriver:
    """One application's worker and state machine. The keeper's loop turns it; see `Application`."""

    def __init__(self, name: str, context: KeeperContext) -> None:
        self.name = name
        self.supervisor = Supervisor(usual_post(name, context.layout), context.layout, context.limiter, context.workers)
        """Of the worker."""
        self.waiting = OpenTickets(name)
        """Those who asked for something."""
        self.footprint = Footprint(name)
        """Limits of its releases."""
        self.closing = False
        """Whether the worker shall end, whatever the state wants."""
        self._context = context
        self._clock = context.clock
        self._candidate: Release | None = None
        self._probation: Probation | None = None
        self._healthy_by_s = 0.0
        self._notes = ReleaseNotes(name, context)
        self._broken = ""
        """Why the wanted release could not be started; it is tried again."""
        self._again_at_s, self._delay = 0.0, GrowingDelay()
        self._damage = DamageWatch(context, self._notes, self._leave, self._log)
        self._saved = SavedState(context.layout.state_file(name), context.disk, context.wall_clock(), context.reserve)
        known = self.state.failure
        self.apply(Started(at_s=context.wall_clock()))
        failure = self.state.failure
        if failure and (failure != known or not failure.digest):
            self._log(failure.reason)
            self._notes.interrupted(failure)
        self._boots = BootCount(context, self._notes, self.apply, self._log)
        self._boots.leave_unhealthy(self.state)

    @property
    def state(self) -> State:
        """Which release runs, and where an activation stands."""
        return self._saved.state

    @property
    def lost(self) -> bool:
        """Whether the state could not be read: which releases are the application's is not known."""
        return self._saved.lost

    @property
    def references(self) -> frozenset[str]:
        """Digests of the releases that it needs."""
        state = self.state
        return frozenset(ref.digest for ref in (state.current, state.previous, state.candidate) if ref)

    @property
    def wake_at_s(self) -> float | None:
        """When a start that came to nothing is tried again."""
        return self._again_at_s if self._broken and wanted(self.state) and not self.closing else None

    def begin(self, release: Release) -> None:
        """Put a release on trial.

        Raises:
            RolloutError: its limits cannot be held here, or the state cannot be saved.
        """
        self.supervisor.check(release)
        release = self.keep_settings(release)
        self.apply(Activate(candidate=release.ref))
        self._damage.forget()  # it looks at what ran before
        self._notes.begin_release()
        self.footprint.note(release)
        self._candidate, self._probation = release, None

    def resume(self) -> None:
        """Run the committed release again; from now on it has its time to become healthy.

        One that had that time already, or ended, starts anew at once: what was damaged may be mended.
        """
        self.apply(Resume())
        self._broken = ""
        self._delay.reset()
        self._damage.forget()  # what it looks at may have been laid out anew since
        self._notes.begin_release()
        if self.unhealthy() and (self.supervisor.restarts or self._clock() >= self._healthy_by_s):
            self.supervisor.stop()
        release = self.supervisor.release
        self._healthy_by_s = self._clock() + (release.plan.health.start_s if release else 0.0)

    def examine(self) -> None:
        """Have the committed release, and the one before it, read whole; a damaged one is left."""
        if self.state.phase == "running":
            self._damage.look(self.state)

    def step(self) -> None:
        """One turn: look at the worker, decide, and make it so."""
        for event in self.supervisor.step():
            match event:
                case Reported(report=report):
                    self._heard(report)
                case Ended(exit=exit_):
                    self._lost(exit_)
        self._judge()
        self._damage.step(self.state, closing=self.closing)
        self._give_up()
        self._boots.look(self.state, self.supervisor.process, healthy=not self.unhealthy())
        self._reconcile()
        self._answer_starts()

    def summary(self) -> str:
        """Its phase and release in one line."""
        ref = wanted(self.state)
        return f"{self.state.phase}: {title(ref)}" if ref else f"{self.state.phase}: {self.name}"

    def unhealthy(self) -> tuple[str, ...]:
        """Every reason why it is not healthy; none where it is, or where nothing shall run."""
        process = self.supervisor.process
        if process:
            return judge(process.release.plan.health, process.report, self._clock() - process.heard_s)
        if wanted(self.state):
            return (self._broken or f"no worker runs: {self.supervisor.last_exit or 'it is being started'}",)
        return (self.state.failure.reason,) if self.lost and self.state.failure else ()

    def apply(self, event: UpdateEvent, *, saved: bool = True) -> None:
        """Save the next state, then be in it.

        Args:
            event: what happened.
            saved: False for what a restart may forget.

        Raises:
            RolloutError: a state that promises something could not be saved, and is not entered.
        """
        before = self.state.phase
        if not saved:
            self._saved.note(event)
        elif trouble := self._saved.apply(event):
            self._log(trouble)
        if self.state.phase != before:
            self.waiting.announce(self.state.phase, self.summary())
            self._log(self.summary())
        if isinstance(event, (Activate, ReleaseFailed)):
            self._broken = ""

    # What the worker does

    def _heard(self, report: Report) -> None:
        self.waiting.report(report)
        if self.state.phase == "rolling_back" and report.phase == "running":
            self._restored("")

    def _lost(self, exit_: Exit) -> None:
        if self.state.phase in ("activating", "settling"):
            self._fail(SeenFailure.ended("rolled_back", exit_))
        elif self.state.phase == "running" and self.state.current:
            failure = self._notes.failed(self.state.current, SeenFailure.ended("restarted", exit_))
            self._saved.note(ReleaseFailed(failure=failure))
            self._notes.begin()
            self.waiting.unhealthy(self.state.current, exit_.reason)
            if self.supervisor.restarts == _SUSPECT_TRIES:
                self._damage.look(self.state)

    def _judge(self) -> None:
        """Move a probation, or a roll-back, on."""
        process, now = self.supervisor.process, self._clock()
        if self.state.phase == "rolling_back" and self._healthy_by_s and now >= self._healthy_by_s:
            self._restored(f", which does not come up again: {self.supervisor.last_exit or 'it reports nothing'}")
        if not self._probation or not process or process.release is not self._candidate:
            return
        self._probation = observe(self._probation, process.report, now - process.heard_s, now)
        standing, reason = verdict(self._probation, now)
        match standing:
            case "waiting":
                self.apply(LostHealth())
            case "settling" | "settled":
                self.apply(BecameHealthy())
                if standing == "settled":
                    self._commit()
            case "failed":
                cause: Cause = "golden" if reason.startswith("golden") else "unhealthy"
                self._fail(SeenFailure(kind="rolled_back", reason=reason, cause=cause, report=process.report))

    def _commit(self) -> None:
        try:
            self.apply(Settled())
        except RolloutError as error:
            reason = f"it was healthy, but could not be committed: {error.message}"
            self._fail(SeenFailure(kind="rolled_back", reason=reason, cause=cause_of(error), hint=error.hint))
            return
        ref = self.state.current
        self._probation = self._candidate = None
        assert ref is not None
        self._collect_settings()
        self.waiting.committed(ref)

    def _fail(self, seen: SeenFailure) -> None:
        """End a probation badly: the release that ran before is wanted again."""
        ref = self.state.candidate
        assert ref is not None
        probes = self._probation.probes if self._probation else ()
        failure = self._notes.failed(ref, replace(seen, probes=probes))
        self._probation = self._candidate = None
        self._healthy_by_s = 0.0
        self.apply(ReleaseFailed(failure=failure))
        if self.state.current is None:
            self.waiting.rolled_back(failure, "; nothing runs now, as there is no release to go back to")

    def _restored(self, but: str) -> None:
        """The roll-back is over, well or, with a reason, badly."""
        self.apply(Restored())
        current = self.state.current
        outcome = f"; back to {title(current)}{but or ', which runs again'}" if current else ""
        self.waiting.rolled_back(self.state.failure, outcome)

    def _answer_starts(self) -> None:
        """Whoever waits for the committed release to run learns that it is healthy, or why it is not."""
        current = self.state.current
        if not self.waiting.for_start or current is None:
            return
        if self.state.phase != "running" or self.closing:
            self.waiting.unhealthy(current, "it was told to do something else meanwhile")
        elif self._broken:
            self.waiting.unhealthy(current, self._broken)
        elif self.supervisor.release:  # else the worker before is still ending
            reasons = self.unhealthy()
            if not reasons:
                self.waiting.healthy(current)
            elif self._clock() >= self._healthy_by_s:
                self.waiting.unhealthy(current, "; ".join(reasons))

    def _give_up(self) -> None:
        """Leave nobody waiting for a worker that does not die: nothing else can be started until it does."""
        stuck = self.supervisor.stuck
        if not stuck:
            return
        if self.state.phase in ("activating", "settling"):
            self._fail(SeenFailure(kind="rolled_back", reason=stuck))
        if self.state.phase == "rolling_back":
            self._restored(f", which cannot be started: {stuck}")
        self.waiting.fail(RolloutError(f"{self.name} does not stop: {stuck}", hint="reboot the device"))

    # Making it so

    def _reconcile(self) -> None:
        """Bring the supervisor to what the state wants: one release stops before another starts."""
        ref = None if self.closing else wanted(self.state)
        running = self.supervisor.release
        if running and (ref is None or not running.ref.same(ref)):
            self.supervisor.stop()
        if ref and self.supervisor.stopped and not (self._broken and self._clock() < self._again_at_s):
            self._start(ref)
        if self.supervisor.stopped:
            self.waiting.stopped()

    def _start(self, ref: ReleaseRef) -> None:
        candidate = self._candidate
        self._boots.starting(self.state)
        try:
            release = candidate if candidate and candidate.ref == ref else self._committed(ref)
        except (EdgekitError, OSError) as error:
            self._put_off(ref, error)
            return
        self._broken = ""
        self._delay.reset()
        self._notes.begin()
        self.footprint.keep(self.references)
        self.footprint.note(release)
        self.supervisor.start(release)
        self.supervisor.step()
        health, now = release.plan.health, self._clock()
        if release is candidate:
            self._probation = Probation(health=health, golden=release.plan.golden is not None, started_s=now)
        self._healthy_by_s = now + health.start_s

    def _put_off(self, ref: ReleaseRef, error: EdgekitError | OSError) -> None:
        """Try again later: what is short, or does not answer, may be there then. What is damaged is looked into."""
        known, self._broken = self._broken, f"{title(ref)} cannot be started: {error}"
        self._again_at_s = self._clock() + self._delay.next_s()
        new = self._broken != known
        if new:
            self._log(self._broken)
            self._notes.failed(ref, SeenFailure(kind="not_started", reason=self._broken, cause=cause_of(error)))
            self._restored(f", but {error}")
        if (new and isinstance(error, EdgekitError)) or self._delay.tries == _SUSPECT_TRIES:
            self._damage.look(self.state)

    def _leave(self, failure: ReleaseFailure, release: Release) -> None:
        """Try the release before in place of a damaged one."""
        self._saved.note(ReleaseFailed(failure=failure))
        self.begin(release)

    def _committed(self, ref: ReleaseRef) -> Release:
        return replace(self._context.releases.committed(ref), settings=self._context.settings.content(ref))

    def keep_settings(self, release: Release) -> Release:
        """Have the settings of a release on disk before a state names them.

        Returns:
            The release with what is there: see `SettingsFiles.saved`.

        Raises:
            RolloutError: they cannot be saved.
        """
        self._collect_settings(release.ref)
        saved = self._context.settings.saved(release)
        if not saved.ref.same(release.ref):
            self._log(f"no room for other settings: {title(saved.ref)} gets those that it ran with before")
        return saved

    def _collect_settings(self, *more: ReleaseRef) -> None:
        refs = (*more, self.state.current, self.state.previous)
        self._context.settings.collect(self.name, {ref.settings for ref in refs if ref})

    def _log(self, text: str) -> None:
        self._context.journal.write(f"keeper: {text}", self.name)
