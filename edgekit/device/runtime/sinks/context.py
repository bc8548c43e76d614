"""What every sink is made with."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.runtime.streams import PipelineFigures
from edgekit.schema.plan import WorkerPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkContext:
    """What a sink is made with."""

    name: str
    """Its own, in the recipe."""
    plan: WorkerPlan
    """Of its application."""
    release: Path
    """The release's folder."""
    work: Path
    """The worker's own folder."""
    figures: PipelineFigures
    """It adds what it finds or sends."""
    preview: socket.socket | None = None
    """Listens for viewers, where a keeper made it: a `preview` sink's own."""
