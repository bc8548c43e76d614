"""One application on the board: what can be asked of it, and what can be seen of it.

The keeper's loop turns it; no other thread calls anything but what says so.
"""

from __future__ import annotations

from dataclasses import replace

from edgekit.device.keeper.admission import Claimed
from edgekit.device.keeper.context import ApplicationView, KeeperContext
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.driver import ReleaseDriver
from edgekit.device.keeper.golden_trial import AskedActivation, GoldenTrial, why_not_beside
from edgekit.device.keeper.open_tickets import OpenTickets, title
from edgekit.device.keeper.process.supervisor import Supervisor
from edgekit.device.keeper.update.activation import AT_REST, ReleaseFailed, State, Stop
from edgekit.device.keeper.update.folders import ApplicationFolders
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import EdgekitError, LockHeld, NothingSelected, RolloutError, Unreachable

_SEE = "edgekit status shows what runs"


class Application:
    """Has its own state, worker and tickets; shares the keeper's context with the others."""

    def __init__(self, name: str, context: KeeperContext) -> None:
        self.name = name
        self._context = context
        self._trial: GoldenTrial | None = None
        """Golden frames of a release that shall be activated, beside the one that runs."""
        ApplicationFolders(context.layout, context.disk).forget_golden(name)  # of a keeper that was ended
        self._driver = ReleaseDriver(name, context)

    @property
    def supervisor(self) -> Supervisor:
        """Of its worker."""
        return self._driver.supervisor

    @property
    def supervisors(self) -> tuple[Supervisor, ...]:
        """Of its worker, and of what runs beside it."""
        return (self.supervisor, *([self._trial.supervisor] if self._trial else []))

    @property
    def wake_at_s(self) -> float | None:
        """When it has something to do that no supervisor knows of."""
        return self._driver.wake_at_s

    @property
    def stopped(self) -> bool:
        """Whether no process of it is left and none is to come."""
        return all(supervisor.stopped for supervisor in self.supervisors)

    @property
    def waiting(self) -> OpenTickets:
        """Those who asked for something."""
        return self._driver.waiting

    @property
    def busy(self) -> bool:
        """Whether it must be looked at often: an activation or a request is under way."""
        return self._driver.closing or self.waiting.anybody or self.state.phase not in AT_REST

    @property
    def state(self) -> State:
        """For any thread: which release runs, and where an activation stands, also one that has not begun on disk."""
        state, trial = self._driver.state, self._pending
        return replace(state, phase="activating", candidate=trial.asked.release.ref) if trial else state

    @property
    def lost(self) -> bool:
        """For any thread: whether its state could not be read, so that its releases are not known."""
        return self._driver.lost

    @property
    def references(self) -> frozenset[str]:
        """For any thread: digests of the releases that it needs."""
        trial = self._pending
        return self._driver.references | ({trial.asked.release.ref.digest} if trial else set())

    @property
    def claimed(self) -> Claimed:
        """For any thread: what it may use. The releases on trial and committed count, as each may have to run."""
        state = self.state
        refs = () if state.phase in ("idle", "stopped") else (state.candidate, state.current)
        return self._driver.footprint.of(*refs)

    def claim_of_current(self) -> Claimed:
        """What it may use once its committed release runs again.

        Raises:
            EdgekitError: there is none, or it cannot be read.
        """
        current, footprint = self.state.current, self._driver.footprint
        if current is None:
            raise NothingSelected(f"{self.name} has no committed release", hint="edgekit deploy a release of it")
        if not footprint.knows(current):
            footprint.note(self._context.releases.committed(current))
        return footprint.of(current)

    def view(self) -> ApplicationView:
        """For any thread; never waits."""
        process = self.supervisor.process
        return ApplicationView(
            name=self.name,
            state=self.state,
            worker=self.supervisor.status(),
            report=process.report if process else None,
            unhealthy_because=self._driver.unhealthy(),
            claimed=self.claimed,
        )

    def examine(self) -> None:
        """Read what runs, and what it would go back to, whole beside it: the disk may hold anything."""
        self._driver.examine()

    def begin(self, release: Release, ticket: Ticket, notes: tuple[str, ...]) -> None:
        """Try a release, and commit it when it stays healthy.

        Args:
            release: what to try; the committed one only has to run and be healthy.
            ticket: who waits for the outcome.
            notes: what they should know meanwhile.

        Raises:
            EdgekitError: it is refused, and nothing has changed.
        """
        self._check_rest()
        if self._trial:  # it was called off
            raise LockHeld(f"golden frames of {self.name} are being ended", hint="try again")
        current = self.state.current
        if release.ref.same(current):
            self._driver.keep_settings(release)
            self.resume(ticket)
            return
        asked = AskedActivation(release=release, ticket=ticket, notes=notes)
        if release.plan.golden is None or current is None or self.state.phase != "running" or self._driver.unhealthy():
            self._activate(asked)  # nothing runs well that could be spared anything
            return
        self.supervisor.check(release)
        if why_not := why_not_beside(release, self._context.available_bytes(), self._context.memory.reserve_bytes):
            note = f"golden frames run after the switch, and not beside {title(current)}: {why_not}"
            self._context.journal.write(f"keeper: {note}", self.name)
            self._activate(replace(asked, notes=(*notes, note)))
            return
        self._driver.footprint.note(release)
        self._trial = GoldenTrial(asked, current, self._context)

    def resume(self, ticket: Ticket) -> None:
        """Run the committed release, and wait until it is healthy.

        Raises:
            EdgekitError: it is refused, and nothing has changed.
        """
        self._check_rest()
        self.claim_of_current()
        self._driver.resume()
        self.waiting.start(ticket)

    def halt(self, ticket: Ticket) -> None:
        """Stop it, until it is resumed or a release is activated. What runs beside it is called off.

        Raises:
            LockHeld: an activation is going on.
        """
        self._call_off(RolloutError(f"the activation of {self.name} is called off: it was told to stop", hint=_SEE))
        self._check_rest()
        self._driver.apply(Stop())
        self.waiting.stop(ticket)

    def retire(self, ticket: Ticket) -> None:
        """Stop it for good; see `removable`. That it stops is not saved: a cut before it is gone leaves it as it was.

        Raises:
            LockHeld: an activation is going on.
        """
        self._call_off(RolloutError(f"the activation of {self.name} is called off: it is being removed", hint=_SEE))
        self._check_rest()
        self._driver.apply(Stop(), saved=False)
        self.waiting.removal = ticket

    @property
    def removable(self) -> bool:
        """Whether it can be forgotten now: somebody wants that, and nothing of it runs any more."""
        return self.waiting.removal is not None and self.stopped

    def close(self) -> None:
        """Let the worker end, whatever the state wants."""
        self._call_off(Unreachable("the keeper is being stopped", hint="try again when it is back"))
        self._driver.closing = True

    def step(self) -> None:
        """One turn: look at the worker, decide, and make it so."""
        self._look_beside()
        self._driver.step()

    def summary(self) -> str:
        """Its phase and release in one line."""
        trial = self._pending
        return f"activating: {trial.summary()}" if trial else self._driver.summary()

    def _activate(self, asked: AskedActivation) -> None:
        """Begin an activation. Raises EdgekitError where it is refused, and nothing has changed."""
        self._check_rest()  # what is damaged may have been left since golden frames began
        self._driver.begin(asked.release)
        self.waiting.activation(asked.ticket, asked.notes)
        self.waiting.announce(self.state.phase, self.summary())

    def _look_beside(self) -> None:
        """Move golden frames beside the worker on; once they are over, activate the release or refuse it."""
        trial = self._trial
        if trial is None:
            return
        trial.step()
        if trial.over:
            self._trial = None
            try:
                failure = trial.settle(self._activate)
            except EdgekitError as error:
                trial.asked.ticket.fail(error)
                return
            if failure:
                self._driver.apply(ReleaseFailed(failure=failure), saved=False)

    def _call_off(self, error: EdgekitError) -> None:
        if self._pending:
            self._pending.call_off(error)

    @property
    def _pending(self) -> GoldenTrial | None:
        """The one that an activation waits for."""
        trial = self._trial
        return trial if trial and not trial.called_off else None

    def _check_rest(self) -> None:
        if self.state.phase not in AT_REST or self.waiting.removal:
            what = "a removal" if self.waiting.removal else "an activation"
            raise LockHeld(f"{what} of {self.name} is going on", hint="edgekit status shows where it stands")
