"""Lanes of one engine that are free: as many calls run at the same time as there are lanes, the others wait."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from edgekit.errors import EngineError

_WAIT_S = 30.0
_Lane = TypeVar("_Lane")


class FreeLanes(Generic[_Lane]):
    """Hands lanes out. Threads share it."""

    def __init__(self, lanes: Iterable[_Lane], told: str, hint: str) -> None:
        """Begin with all of them free.

        Args:
            lanes: what is handed out.
            told: what to say when none becomes free in time.
            hint: and what helps.
        """
        self._told, self._hint = told, hint
        self._free: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
        self.count = 0
        for lane in lanes:
            self._free.put(lane)
            self.count += 1

    @contextmanager
    def one(self) -> Iterator[_Lane]:
        """A lane for as long as the block runs. Raises EngineError where none becomes free."""
        lane = self._take()
        try:
            yield lane
        finally:
            self._free.put(lane)

    def end(self) -> None:
        """Wait for calls that are running, and hand out no more. May be called twice."""
        while self.count:
            self._take()
            self.count -= 1

    def _take(self) -> _Lane:
        try:
            return self._free.get(timeout=_WAIT_S)
        except queue.Empty:
            raise EngineError(f"{self._told} within {_WAIT_S:g} s", hint=self._hint) from None
