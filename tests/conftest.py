"""Makes tests independent of how they are started."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Let children be interrupted: what is started in the background ignores Ctrl-C, and hands that on."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)  # a handler is not inherited, ignoring is
