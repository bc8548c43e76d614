"""An OS thread with a name and CPUs of its own, whose failure somebody sees."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from edgekit.device.runtime.schedule.pinning import name_thread, pin_thread, put_before_others
from edgekit.errors import EdgekitError, InputError
from edgekit.judging.error_causes import cause_of


class PinnedThread:
    """One thread; `start` makes it."""

    def __init__(
        self, name: str, cpus: tuple[int, ...], *, advisory: bool, body: Callable[[], None], realtime: bool = False
    ) -> None:
        self.name = name
        self.tid = 0
        self.failure: EdgekitError | None = None
        """Why it ended before its time."""
        self.note = ""
        """Why it is not where, or as, it should be; empty where it is."""
        self._cpus, self._advisory, self._body, self._realtime = cpus, advisory, body, realtime
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it and wait until it is pinned.

        Raises:
            InputError: it may not run on its CPUs.
        """
        ready = threading.Event()
        unpinned: list[InputError] = []
        self._thread = threading.Thread(target=self._run, args=(ready, unpinned), name=self.name, daemon=True)
        self._thread.start()
        ready.wait()
        if unpinned:
            raise unpinned[0]

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; False when it is still at work."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _run(self, ready: threading.Event, unpinned: list[InputError]) -> None:
        self.tid = threading.get_native_id()
        try:
            self.note = pin_thread(self.name, self._cpus, advisory=self._advisory)
            name_thread(self.name, self.tid, Path("/proc"))
            if self._realtime:
                self.note = "; ".join(filter(None, (self.note, put_before_others(self.name))))
        except InputError as error:
            unpinned.append(error)
            return
        finally:
            ready.set()
        try:
            self._body()
        except EdgekitError as error:
            self.failure = error
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.failure = EdgekitError(f"lane {self.name} ended: {error}", hint="see the log", cause=cause_of(error))
