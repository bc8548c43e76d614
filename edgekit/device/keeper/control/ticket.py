"""A request to the keeper's loop, and what comes back while it is carried out."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue

from edgekit.errors import EdgekitError
from edgekit.schema.control import Event
from edgekit.schema.report import Report, without_metrics

_UNREAD = 4
"""Events that may wait before a report is left out: a worker decides how many there are, and how large they are."""


class Ticket:
    """Written by the loop, read by one connection. Whether anybody reads makes no difference to the loop."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event | EdgekitError] = SimpleQueue()

    def state(self, phase: str, message: str) -> None:
        """The state machine has moved."""
        self._queue.put(Event(kind="state", message=message, data={"phase": phase}))

    def progress(self, message: str) -> None:
        """Something worth knowing meanwhile."""
        self._queue.put(Event(kind="progress", message=message))

    def report(self, report: Report) -> None:
        """The worker has reported; a reader that lags behind is not told of each."""
        if self._queue.qsize() < _UNREAD:
            self._queue.put(Event(kind="report", report=without_metrics(report)))

    def done(self, message: str) -> None:
        """It is carried out."""
        self._queue.put(Event(kind="done", message=message))

    def fail(self, error: EdgekitError) -> None:
        """It was refused, or failed and was undone."""
        self._queue.put(error)

    def events(self) -> Iterator[Event]:
        """What happens, up to and with `done`.

        Raises:
            EdgekitError: as handed to `fail`.
        """
        while True:
            found = self._queue.get()
            if isinstance(found, EdgekitError):
                raise found
            yield found
            if found.kind == "done":
                return
