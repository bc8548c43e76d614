"""Tells systemd that the keeper is ready, what it does, and that its loop still turns.

Source: systemd, sd_notify(3); systemd.service(5), "WatchdogSec=".
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping


class Notifier:
    """One service's line to systemd; silent where there is none."""

    def __init__(self, environ: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1e6 if usec.isdigit() else 0.0
        """0 where systemd does not watch."""
        self._clock = clock
        self._fed_s = clock()
        self._last = ""

    def ready(self) -> None:
        """The socket answers and the worker is being looked after."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The service ends on purpose."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it changes."""
        if text != self._last:
            self._last = text
            self._send(f"STATUS={text}")

    def feed(self) -> None:
        """Called by the loop at every turn, and by nothing else: a stuck loop starves the watchdog."""
        now = self._clock()
        if self.watchdog_s and now - self._fed_s >= self.watchdog_s / 4:
            self._fed_s = now
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # Where systemd is busy or gone, or descriptors are short, the line is lost: the loop that notifies goes on.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(text.encode(), name)
