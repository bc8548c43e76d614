"""Whether this keeper is itself on trial: provisioning has switched to it, and may yet switch back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.device.keeper.process.kernel_files import text_of

_OPEN = frozenset({"started", "failing"})
"""`armed` is the old one's."""
_LIMITS = ("ready_s", "settle_s", "healthy_s")
"""What its parts may take. Source: edgekit.sent.keeper_trial."""
_MOST_S = 3600.0


class OwnTrial:
    """Reads what the guard beside this keeper has saved, at every look."""

    def __init__(self, file: Path, sha256: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with this keeper's start.

        Args:
            file: `trial.json`.
            sha256: of this keeper's program.
            clock: monotonic seconds.
        """
        self._file, self._sha256, self._clock = file, sha256, clock
        self._began_s = clock()

    def open(self) -> bool:
        """Whether it goes on. One that nobody has ended long after its time holds nobody up."""
        try:
            trial = json.loads(text_of(self._file) or "{}")
            if trial.get("new_sha256") != self._sha256 or trial.get("phase") not in _OPEN:
                return False
            limit_s = sum(min(_MOST_S, float(trial[name])) for name in _LIMITS)
        except (ValueError, TypeError, AttributeError, KeyError):
            return False
        return self._clock() - self._began_s < limit_s
