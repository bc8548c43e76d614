"""Tells the keeper once a second how the worker does, from its first moment on: also while an engine loads."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgekit.device.runtime.orders import OrderReader
from edgekit.device.runtime.schedule.pinning import name_thread
from edgekit.errors import EdgekitError
from edgekit.judging.error_causes import cause_of
from edgekit.schema.message import to_line
from edgekit.schema.order import Order
from edgekit.schema.report import Phase, Report

REPORT_EVERY_S = 1.0

Make = Callable[[Phase, str, float], Report]
"""Makes a report of phase, message and uptime in seconds."""
Obey = Callable[[Order], object]


class Reporter:
    """Writes reports to the pipe that the keeper handed over; to nobody where there is none."""

    def __init__(
        self,
        fd: int | None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """Say nothing yet.

        Args:
            fd: the pipe; None where there is no keeper.
            clock: monotonic seconds.
            wait: lets so many seconds pass and says whether reporting is over; None: really, until `stop`.
        """
        self._fd = fd
        self._clock = clock
        self._began_s = clock()
        self._phase: Phase = "starting"
        self._message = ""
        self._failure: Report | None = None
        """What every report says of a failure."""
        self._make: Make = _without_figures
        self._orders = OrderReader()
        self._obey: Obey = _nobody
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._thread = threading.Thread(target=self._repeat, name="reporter", daemon=True)

    def start(self) -> None:
        """Report every second from now on, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread. `turn` still reports."""
        self._stopped.set()
        self._thread.join()

    def follow(self, make: Make) -> None:
        """Make reports so from now on."""
        with self._lock:
            self._make = make

    def obey(self, obey: Obey) -> None:
        """Hand what the keeper orders to this from now on, on the thread that calls `wait`."""
        self._obey = obey

    def turn(self, phase: Phase, message: str = "") -> None:
        """The worker does something else now; says so at once.

        Args:
            phase: what it does.
            message: more about it.
        """
        with self._lock:
            self._phase, self._message = phase, message
            self._send(self._now())

    def fail(self, error: BaseException, *, golden: str = "") -> None:
        """The worker cannot go on; says so at once, with what lies behind it and what helps.

        Args:
            error: why.
            golden: how golden frames ended, where they are the reason.
        """
        hint = error.hint if isinstance(error, EdgekitError) else ""
        message = error.message if isinstance(error, EdgekitError) else f"{type(error).__name__}: {error}"
        with self._lock:
            self._phase, self._message = "failed", message
            self._failure = Report(phase="failed", cause=cause_of(error), hint=hint, golden=golden)
            self._send(self._now())

    def report(self) -> None:
        """Say again what it does."""
        with self._lock:
            self._send(self._now())

    def wait(self, wake_fd: int, seconds: float) -> bool:
        """Wait for a signal, the keeper's end or the time; False once the worker shall stop."""
        fds = [wake_fd] + ([self._fd] if self._fd is not None else [])
        ready, _, _ = select.select(fds, [], [], seconds)
        if wake_fd in ready:
            return False
        if self._fd is None or self._fd not in ready:
            return True
        raw = _read(self._fd)
        for order in self._orders.feed(raw):
            self._obey(order)
        return bool(raw)

    def _now(self) -> Report:
        report, failure = self._make(self._phase, self._message, self._clock() - self._began_s), self._failure
        if failure is None:
            return report
        golden = failure.golden or report.golden
        return replace(report, cause=failure.cause, hint=failure.hint, golden=golden)

    def _repeat(self) -> None:
        name_thread(threading.current_thread().name, threading.get_native_id(), Path("/proc"))
        while not self._wait(REPORT_EVERY_S):
            self.report()

    def _send(self, report: Report) -> None:
        """One line; a keeper that has gone is noticed by `wait`, not here."""
        if self._fd is not None:
            line = memoryview(to_line(report))
            with contextlib.suppress(OSError):
                while line:
                    line = line[os.write(self._fd, line) :]


def _without_figures(phase: Phase, message: str, uptime_s: float) -> Report:
    return Report(phase=phase, message=message, uptime_s=round(uptime_s, 3))


def _nobody(_order: Order) -> None:
    """Before anything runs there is nothing to be done."""


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
