"""What a client hears of a keeper that takes long over its request: it hangs up on one that says nothing."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.schema.control import Event

EVERY_S = 5.0


class SignOfLife:
    """Called after each step of long work. A disk that hangs ends the steps: then nothing is heard, as it should be."""

    def __init__(self, send: Callable[[Event], None], clock: Callable[[], float], doing: str) -> None:
        """Begin.

        Args:
            send: writes an event to the client.
            clock: monotonic seconds.
            doing: what takes long, for people.
        """
        self._send, self._clock, self._doing = send, clock, doing
        self._next_s = clock() + EVERY_S

    def __call__(self) -> None:
        """Let the client hear that the work goes on, where it has heard nothing for some seconds."""
        if self._clock() >= self._next_s:
            self._send(Event(kind="progress", message=self._doing))
            self._next_s = self._clock() + EVERY_S
