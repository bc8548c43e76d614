"""Waits for what other threads bring about: never for a time in which they should have done it."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 120.0  # only a test that fails waits so long: machines are slow, or busy with other tests


def eventually(condition: Callable[[], object]) -> None:
    """Come back once the condition holds; it must be one that stays."""
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "it never came to that"
        time.sleep(0.001)
