"""What a worker is started with, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError

EXIT_FAILED = 3
GOLDEN = "golden frames "
"""What the message of a `GoldenError` begins with."""


class GoldenError(EdgekitError):
    """Golden frames gave other answers than they must; reported as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The worker's command line."""

    release: Path
    work: Path
