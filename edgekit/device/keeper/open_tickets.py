"""Who waits for what of one application, and the words that they get. Whether anybody waits changes nothing else."""

from __future__ import annotations

from edgekit.device.keeper.control.ticket import Ticket
from edgekit.errors import EdgekitError, RolloutError
from edgekit.schema.control import ReleaseFailure, ReleaseRef
from edgekit.schema.report import Report


class OpenTickets:
    """Open tickets: of the activation, of those that start or stop the application, and of its removal."""

    def __init__(self, application: str) -> None:
        self._application = application
        self._activation: Ticket | None = None
        self._stops: list[Ticket] = []
        self._starts: list[Ticket] = []
        self.removal: Ticket | None = None
        """Who wants the application to be forgotten."""

    @property
    def anybody(self) -> bool:
        """Whether a request is under way, other than an activation, which the state tells of."""
        return bool(self._stops or self._starts or self.removal)

    @property
    def for_start(self) -> bool:
        """Whether somebody waits for the committed release to be healthy."""
        return bool(self._starts)

    def activation(self, ticket: Ticket, notes: tuple[str, ...]) -> None:
        """An activation has begun."""
        self._overtake_stops()
        self._activation = ticket
        for note in notes:
            ticket.progress(note)

    def start(self, ticket: Ticket) -> None:
        """Somebody waits until the committed release is healthy."""
        self._overtake_stops()
        self._starts.append(ticket)

    def stop(self, ticket: Ticket) -> None:
        """Somebody waits until nothing runs."""
        self._stops.append(ticket)

    def announce(self, phase: str, summary: str) -> None:
        """The state machine has moved."""
        if self._activation:
            self._activation.state(phase, summary)

    def report(self, report: Report) -> None:
        """The worker has reported."""
        if self._activation:
            self._activation.report(report)

    def committed(self, ref: ReleaseRef) -> None:
        """The activation went well."""
        if self._activation:
            self._activation.done(f"{title(ref)} is committed")
        self._activation = None

    def rolled_back(self, failure: ReleaseFailure | None, outcome: str) -> None:
        """The activation went badly, and this is what runs now."""
        if self._activation and failure:
            name = f"{failure.application} {failure.version}"
            self._activation.fail(
                RolloutError(
                    f"{name} was rolled back: {failure.reason}{outcome}",
                    hint="edgekit logs shows more; mend the recipe, build and deploy again",
                    details="\n".join([*failure.probes, *failure.log_tail]),
                )
            )
        self._activation = None

    def healthy(self, ref: ReleaseRef) -> None:
        """The committed release runs and is healthy."""
        for ticket in self._starts:
            ticket.done(f"{title(ref)} is the current release, and healthy")
        self._starts.clear()

    def unhealthy(self, ref: ReleaseRef, reason: str) -> None:
        """The committed release ended, or is not healthy in time."""
        hint = "edgekit logs shows more; the device starts it again and again until edgekit stop"
        for ticket in self._starts:
            ticket.fail(RolloutError(f"{title(ref)} is the current release, but not healthy: {reason}", hint=hint))
        self._starts.clear()

    def stopped(self) -> None:
        """Nothing of the application runs any more."""
        for ticket in self._stops:
            ticket.done(f"{self._application} is stopped")
        self._stops.clear()

    def _overtake_stops(self) -> None:
        message = f"{self._application} was started again before it had stopped"
        for ticket in self._stops:
            ticket.fail(RolloutError(message, hint="edgekit status shows what runs"))
        self._stops.clear()

    def fail(self, error: EdgekitError) -> None:
        """Nobody will carry out what was asked for."""
        for ticket in (self._activation, self.removal, *self._stops, *self._starts):
            if ticket:
                ticket.fail(error)
        self._activation = self.removal = None
        self._stops.clear()
        self._starts.clear()


def title(ref: ReleaseRef) -> str:
    """A release for people."""
    return f"{ref.application} {ref.version} ({ref.digest[:12]})"
