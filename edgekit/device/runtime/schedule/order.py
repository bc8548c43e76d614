"""Several threads work on the frames of one stream, and what leaves them keeps its order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from edgekit.stage import Frame


class StreamOrder:
    """The frames of one stream that threads of a lane have taken."""

    __slots__ = ("_finished", "_lock", "taken")

    def __init__(self) -> None:
        self.taken: deque[int] = deque()
        """Their numbers, in the order in which they were taken. Whoever takes one adds it, under the line's lock."""
        self._finished: dict[int, Frame | None] = {}
        self._lock = threading.Lock()

    def finish(self, sequence: int, left: Frame | None, hand_on: Callable[[Frame], None]) -> None:
        """Hand on what is finished and has nothing before it; the rest waits for whoever finishes that.

        Args:
            sequence: the number of the frame that was taken.
            left: what became of it; None: nothing.
            hand_on: takes frames in their order, from one thread at a time.
        """
        with self._lock:
            self._finished[sequence] = left
            while self.taken and self.taken[0] in self._finished:
                first = self._finished.pop(self.taken[0])
                if first is not None:
                    hand_on(first)
                self.taken.popleft()  # now, as whoever looks for room behind counts what is on its way there
