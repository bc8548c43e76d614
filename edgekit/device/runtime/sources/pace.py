"""When the frames of a recording are due: as a camera would give them, or as fast as they are taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal


class Pace:
    """Lets time pass until a frame is due. `stop` ends every wait, from any thread."""

    def __init__(
        self,
        pace: Literal["camera", "fast"],
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Let no time pass yet.

        Args:
            pace: see `FileSource.pace`.
            clock: monotonic seconds.
            wait: lets so many seconds pass, or fewer when it is stopped; None: really.
        """
        self._stopped = threading.Event()
        self._camera, self.clock, self._wait = pace == "camera", clock, wait or self._stopped.wait

    @property
    def stopped(self) -> bool:
        """Whether nothing shall follow."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Wait no more."""
        self._stopped.set()

    def until(self, due_s: float) -> float:
        """Wait for a frame's time; the time that it has. Late is late, whoever kept it waiting."""
        if not self._camera:
            return self.clock()
        self._wait(max(0.0, due_s - self.clock()))
        return due_s
