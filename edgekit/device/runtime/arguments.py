"""What a worker is started with, and how it ends."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import EdgekitError

EXIT_FAILED = 3
GOLDEN = "golden frames "
"""What the message of a `GoldenError` begins with."""


class GoldenError(EdgekitError):
    """Golden frames gave other answers than they must; reported as such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What the keeper tells the worker: by its command line, and the settings by a descriptor."""

    release: Path
    work: Path
    golden_only: bool = False
    """Whether it runs golden frames and ends: no source, sink or client."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """The board's own values, by the settings' names."""
    preview: socket.socket | None = None
    """Listens for viewers; None where the release shows nothing, or no keeper is there."""
    serve: socket.socket | None = None
    """Listens for clients of models; None where the release serves none, or no keeper is there."""
