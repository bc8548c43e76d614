"""Waits for what other threads and programs bring about: never for a time in which they should have done it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 120.0  # only a test that fails waits so long: machines are slow, or busy with other tests
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.01


def eventually(look: Callable[[], T]) -> T:
    """The first true answer; it must be one that stays."""
    until_s, pause_s = time.monotonic() + PATIENCE_S, _FIRST_PAUSE_S
    while not (found := look()):
        assert time.monotonic() < until_s, "it never came to that"
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return found
