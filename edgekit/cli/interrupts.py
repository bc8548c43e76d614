"""Ends a command that is asked to end, whatever it waits for: Ctrl-C, a CI job that is cancelled, a closed terminal."""

from __future__ import annotations

import os
import signal
from types import FrameType

from edgekit.errors import Interrupted

INTERRUPTED = Interrupted("interrupted", hint="run the same command again: it goes on where it can")
_GRACE_S = 30.0
"""For tidying up: programs that were started end, partial files go."""


def end_on_signals(grace_s: float = _GRACE_S) -> None:
    """Have each of these signals raise KeyboardInterrupt, and see to it that the process then ends.

    An exception out of a handler comes between any two steps of any code: between the taking of a lock and the block
    that gives it back, or where exceptions are dropped, as in a finalizer. Then nothing would ever end the command,
    so an alarm does, with the same exit code. Signals that are ignored from the start (`nohup`) stay ignored.

    Args:
        grace_s: how long the command may go on after the first of them.
    """
    armed = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal armed
        if not armed:
            armed = True
            signal.signal(signal.SIGALRM, _give_up)
            signal.setitimer(signal.ITIMER_REAL, grace_s)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, interrupt)


def _give_up(_number: int, _frame: FrameType | None) -> None:
    """Past Python's own streams: what holds their locks may be what does not end."""
    os.write(2, f"error: {INTERRUPTED.message}\n  hint: {INTERRUPTED.hint}\n".encode())
    os._exit(INTERRUPTED.exit_code)
