"""Bounds of one answer as a whole: a device that was taken over could tell of its progress without end."""

from __future__ import annotations

import time
from collections.abc import Callable

from edgekit.errors import Unreachable
from edgekit.schema.control_bounds import MAX_LINE_BYTES

WHOLE_S = 3600.0
"""How long an answer may take: a keeper on a slow board reads for long, and lets itself be heard every few seconds."""
ACTIVATION_WHOLE_S = 4 * 86_400.0
"""The same of an activation that is taken back: twice the longest start and settle time that a recipe may ask for."""
_WATCHED_EVENTS, _WATCHED_BYTES = 100_000, 256 << 20
"""A report a second for a day; whoever deploys asks again after that how it stands."""
_EVENTS, _BYTES = 1000, 4 * MAX_LINE_BYTES
"""The same where nobody watches."""


class AnswerBounds:
    """What is left to one answer."""

    def __init__(
        self,
        name: str,
        silence_s: float | None,
        whole_s: float = WHOLE_S,
        *,
        watched: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to wait.

        Args:
            name: the device's.
            silence_s: how long nothing may come; None: for ever, of an answer that has no end.
            whole_s: how long one that has may take.
            watched: whether somebody wants to know what comes before the end.
            clock: seconds.
        """
        self._name, self._silence_s, self._clock = name, silence_s, clock
        self._until_s = clock() + whole_s
        self._events, self._bytes = (_WATCHED_EVENTS, _WATCHED_BYTES) if watched else (_EVENTS, _BYTES)

    def next_s(self) -> float | None:
        """How long the next line may be waited for; None: for ever. Raises Unreachable where the time is up."""
        if self._silence_s is None:
            return None
        left_s = self._until_s - self._clock()
        if left_s <= 0:
            raise self._endless()
        return min(self._silence_s, left_s)

    def count(self, line: bytes) -> None:
        """A line has come. Raises Unreachable where it is one too many."""
        self._events, self._bytes = self._events - 1, self._bytes - len(line)
        if self._silence_s is not None and (self._events < 0 or self._bytes < 0):
            raise self._endless()

    def _endless(self) -> Unreachable:
        hint = f"edgekit logs {self._name} may say why; edgekit provision {self._name} brings it a keeper that is whole"
        return Unreachable(f"the keeper on {self._name} answers without end", hint=hint)
