"""The thread that a sink does its slow work on: it waits for disk and network there, and no lane waits with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.schedule.pinning import name_thread

_DRAIN_LOOK_S = 0.1


class SinkThread:
    """One thread, which the lane's starts: so it runs where that may, as Linux has it."""

    def __init__(self, name: str, figures: SinkFigures, body: Callable[[], None]) -> None:
        """Start nothing yet.

        Args:
            name: the sink's.
            figures: get the reason where `body` fails.
            body: all that the thread does: it calls `repeat`, and perhaps `drain` behind that.
        """
        self._name, self._figures, self._body = name, figures, body
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self.closing = False
        """Whether it shall come to its end."""

    def start(self) -> None:
        """From the lane's thread, as often as it likes: it starts once."""
        if self._thread is None and not self.closing:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """There is something to do. As `start`; others may call it once it was started."""
        self.start()
        self._woken.set()

    def close(self, within_s: float) -> None:
        """Have it end, and wait for that; what hangs longer is left behind."""
        self.closing = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join(within_s)

    def repeat(self, step: Callable[[], float]) -> None:
        """For the body: do a step whenever it is woken, until it shall end.

        Args:
            step: does what there is to do, and gives the longest time until it is called again, in seconds.
        """
        while not self.closing:
            self._woken.clear()
            self._woken.wait(step())

    def drain(self, step: Callable[[], bool], within_s: float) -> None:
        """For the body's end: do steps while they say that something is under way, and no longer than that."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            self._woken.clear()
            if not step():
                return
            self._woken.wait(_DRAIN_LOOK_S)

    def _run(self) -> None:
        name_thread(self._name, threading.get_native_id(), Path("/proc"))
        try:
            self._body()
        except Exception as error:  # a thread would end by it without a word
            self._figures.trouble = f"ended: {error}"
            logging.getLogger(f"edgekit.sink.{self._name}").exception("ended, and does nothing any more")
