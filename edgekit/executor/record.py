"""Writes down which programs ran and what they wrote: through `logging`, for whoever listens there.

Not part of `local.py`: the keeper runs programs too, and `logging` would cost it a fifth of its memory.
"""

from __future__ import annotations

import logging
import shlex

from edgekit.executor import Completed

_log = logging.getLogger(__name__)


def record_program(machine: str, done: Completed, seconds: float) -> None:
    """Log one program that has ended: its command line, how it ended, both its streams. Never its input."""
    if _log.isEnabledFor(logging.INFO):
        ended = f"exit {done.returncode}, {seconds:.2f} s"
        _log.info("%s$ %s\n%s\n[%s]", machine, shlex.join(done.argv), done.output, ended)
