"""The keeper's thread that looks at the memory of all workers, beside the loop: what that waits for, it does not."""

from __future__ import annotations

import select
import threading
import traceback
from collections.abc import Callable, Iterable

from edgekit.device.keeper.process.life import WorkerProcess

LOOK_EVERY_S, _LEAST_S = 0.1, 0.02
"""It looks so often, and not more often, whatever the kernel says meanwhile."""


class MemoryWatch:
    """Looks at whatever workers there are. Nothing that it meets ends it."""

    def __init__(
        self,
        workers: Callable[[], Iterable[WorkerProcess]],
        clock: Callable[[], float],
        log: Callable[[str], object],
    ) -> None:
        """Look at nothing yet.

        Args:
            workers: those that live now; for any thread.
            clock: monotonic seconds.
            log: takes a line for the keeper's journal.
        """
        self._workers, self._clock, self._log = workers, clock, log
        self._fault = ""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Look from now on, on a thread of its own."""
        threading.Thread(target=self._run, name="memory", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()

    def look(self, told: frozenset[int] = frozenset()) -> None:
        """Once at each; `told` are the descriptors on which the kernel said something meanwhile."""
        for worker in self._workers():
            try:
                worker.memory_life.look(self._clock(), told)
            except Exception:  # of one worker: the others are looked at all the same
                fault = traceback.format_exc()
                if fault != self._fault:
                    self._fault = fault
                    self._log(f"keeper: the memory of {worker.application} cannot be looked at: {fault}")

    def _run(self) -> None:
        while not self._stopped.wait(_LEAST_S):
            self.look(self._sleep())

    def _sleep(self) -> frozenset[int]:
        """Until the next look, or until the kernel says of a worker that it met a limit, or waits for memory.

        It says so to whoever polls first, once: so where it did is handed on. Source: Linux, kernel/sched/psi.c,
        psi_trigger_poll.
        """
        poll = select.poll()
        for worker in self._workers():
            for fd in worker.memory_life.descriptors:
                poll.register(fd, select.POLLPRI)
        found = poll.poll(1000 * (LOOK_EVERY_S - _LEAST_S))
        return frozenset(fd for fd, event in found if event & select.POLLPRI and not event & select.POLLERR)
