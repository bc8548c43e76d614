"""`logs`: what the journal has, and what comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgekit.device.keeper.process.journal import KEPT_LINES, Journal
from edgekit.schema.control import Event, Request

_FOLLOW_S = 2.0


class LogVerb:
    """Reads the journal to one client."""

    def __init__(self, journal: Journal, choose: Callable[[Request], str], gone: Callable[[], bool]) -> None:
        """Read a journal.

        Args:
            journal: of all applications and the keeper.
            choose: the application that a request is about.
            gone: whether the client has hung up.
        """
        self._journal, self._choose, self._gone = journal, choose, gone

    def logs(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        """The last lines, and where it is asked for those that follow, until the client hangs up.

        Raises:
            NothingSelected: there is no application of the name that is asked for.
        """
        journal, whose = self._journal, self._choose(request) if request.application else None
        seen = journal.count
        lines = journal.tail(request.lines, application=whose)
        while True:
            for line in lines:
                seen = max(seen, line.number)
                yield Event(kind="log", message=line.text, data={"at_s": line.at_s, "application": line.application})
            if not request.follow or self._gone():
                break
            journal.wait(seen, _FOLLOW_S)
            known, seen = seen, journal.count
            lines = journal.tail(KEPT_LINES, after=known, application=whose)
        yield Event(kind="done")
