"""One application on the board: what can be asked of it, and what can be seen of it.

The keeper's loop turns it; no other thread calls anything but what says so.
"""

from __future__ import annotations

from edgekit.device.keeper.admission import Claimed
from edgekit.device.keeper.context import ApplicationView, KeeperContext
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.driver import ReleaseDriver
from edgekit.device.keeper.open_tickets import OpenTickets
from edgekit.device.keeper.process.supervisor import Supervisor
from edgekit.device.keeper.update.activation import AT_REST, State, Stop
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import LockHeld, NothingSelected


class Application:
    """Has its own state, worker and tickets; shares the keeper's context with the others."""

    def __init__(self, name: str, context: KeeperContext) -> None:
        self.name = name
        self._context = context
        self._driver = ReleaseDriver(name, context)

    @property
    def supervisor(self) -> Supervisor:
        """Of its worker."""
        return self._driver.supervisor

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
        """For any thread: which release runs, and where an activation stands."""
        return self._driver.state

    @property
    def lost(self) -> bool:
        """For any thread: whether its state could not be read, so that its releases are not known."""
        return self._driver.lost

    @property
    def references(self) -> frozenset[str]:
        """For any thread: digests of the releases that it needs."""
        return self._driver.references

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
        current = self.state.current
        if release.ref.same(current):
            self._driver.keep_settings(release)
            self.resume(ticket)
            return
        self._driver.begin(release)
        self.waiting.activation(ticket, notes)
        self.waiting.announce(self.state.phase, self.summary())

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
        """Stop it, until it is resumed or a release is activated.

        Raises:
            LockHeld: an activation is going on.
        """
        self._check_rest()
        self._driver.apply(Stop())
        self.waiting.stop(ticket)

    def retire(self, ticket: Ticket) -> None:
        """Stop it for good; see `removable`. That it stops is not saved: a cut before it is gone leaves it as it was.

        Raises:
            LockHeld: an activation is going on.
        """
        self._check_rest()
        self._driver.apply(Stop(), saved=False)
        self.waiting.removal = ticket

    @property
    def removable(self) -> bool:
        """Whether it can be forgotten now: somebody wants that, and nothing of it runs any more."""
        return self.waiting.removal is not None and self.supervisor.stopped

    def close(self) -> None:
        """Let the worker end, whatever the state wants."""
        self._driver.closing = True

    def step(self) -> None:
        """One turn: look at the worker, decide, and make it so."""
        self._driver.step()

    def summary(self) -> str:
        """Its phase and release in one line."""
        return self._driver.summary()

    def _check_rest(self) -> None:
        if self.state.phase not in AT_REST or self.waiting.removal:
            what = "a removal" if self.waiting.removal else "an activation"
            raise LockHeld(f"{what} of {self.name} is going on", hint="edgekit status shows where it stands")
