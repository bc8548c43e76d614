"""The interpreter under a worker's lanes: how soon its lock changes hands, and when cyclic garbage is collected.

Whichever thread collects holds the interpreter's lock, and so every lane. Python collects in the midst of whatever call
makes one object too many; here the thread that else waits for orders does it, while no lane is at work.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SWITCH_S = 0.0005
"""How long who wants the lock waits until it asks whoever has it. Python's own 5 ms is what a lane waits behind each
neighbour that computes in Python. Source: sys.setswitchinterval."""
YOUNG_EVERY_S, ALL_EVERY_S = 1.0, 10.0
_MANY = 2000
"""So many new objects are looked at before their time."""
_PATIENCE_S = 2.0
"""So long a collection that is due waits for a moment in which no lane is at work."""
_SHARE = 0.01
"""Of all time that collecting may take."""
_YOUNG, _ALL = 1, 2


class Collector:
    """Collects cyclic garbage where `look` is called, which is often."""

    def __init__(
        self,
        is_busy: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        collect: Callable[[int], object] = gc.collect,
    ) -> None:
        """Collect nothing yet.

        Args:
            is_busy: whether a lane is inside a step.
            clock: monotonic seconds.
            collect: collects a generation and those that are younger.
        """
        self._is_busy, self._clock, self._collect = is_busy, clock, collect
        self._due_s = {_ALL: clock() + ALL_EVERY_S, _YOUNG: clock() + YOUNG_EVERY_S}

    def look(self) -> None:
        """Collect where that is due, and no lane is at work or it has waited long enough."""
        now_s, many = self._clock(), gc.get_count()[0] >= _MANY
        for generation, due_s in self._due_s.items():
            is_due = now_s >= due_s or (many and generation == _YOUNG)
            if is_due and (now_s >= due_s + _PATIENCE_S or not self._is_busy()):
                self._run(generation, now_s)
                return

    def _run(self, generation: int, began_s: float) -> None:
        """The longer it takes, the more seldom it is done."""
        self._collect(generation)
        ended_s = self._clock()
        every_s = ALL_EVERY_S if generation == _ALL else YOUNG_EVERY_S
        self._due_s[generation] = ended_s + max(every_s, (ended_s - began_s) / _SHARE)


@contextmanager
def settled(is_busy: Callable[[], bool]) -> Iterator[Collector]:
    """For lanes that run: what there is now is never looked at again, and collected is where the collector is told to.

    Args:
        is_busy: whether a lane is inside a step.
    """
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    gc.disable()
    gc.collect()
    gc.freeze()
    try:
        yield Collector(is_busy)
    finally:
        gc.unfreeze()
        gc.enable()
        sys.setswitchinterval(before_s)
