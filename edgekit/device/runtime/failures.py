"""Writes what fails over and over to the log, now and then."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from edgekit.errors import EdgekitError

_LOG_EVERY_S = 10.0


class FailureLog:
    """Writes what fails on frames to the log, now and then: a stage may fail on every frame."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name, self._clock = name, clock
        self._logged_s = float("-inf")

    def write(self, what: str, error: BaseException) -> None:
        """One failure, with its traceback."""
        if self._clock() - self._logged_s >= _LOG_EVERY_S:
            self._logged_s = self._clock()
            hint = f"hint: {error.hint}\n" if isinstance(error, EdgekitError) else ""
            sys.stderr.write(f"{self._name} {what}:\n{''.join(traceback.format_exception(error))}{hint}")
