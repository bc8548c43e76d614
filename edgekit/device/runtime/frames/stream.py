"""What travels through the lanes: frames, and what happens to their stream between them.

An event stands in line behind the frames before it, in front of every lane, and is never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgekit.errors import Cause
from edgekit.stage import Frame, StreamInfo

Again = Literal["pass", "reconnect", "change"]
"""Why a stream restarts: a clip begins again, a camera is back, pictures have another size."""
Lost = Literal["stalled", "frozen", "down"]
"""No packet, the same picture over and over, no connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """Frames of this stream follow, for the first time."""

    info: StreamInfo

    @property
    def stream(self) -> str:
        """Its name."""
        return self.info.name


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamGap:
    """Frames are missing here: the source lost them. The next frame's `sequence` counts them."""

    stream: str
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRestarted:
    """What follows has nothing to do with what came before: a clip begins again, a camera is back."""

    info: StreamInfo
    again: Again
    reason: str

    @property
    def stream(self) -> str:
        """Its name."""
        return self.info.name


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLost:
    """No frame comes for now; the source tries to get it back. `StreamStarted` or `StreamRestarted` follows then."""

    stream: str
    state: Lost
    reason: str
    cause: Cause = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnded:
    """No frame of this stream follows."""

    stream: str
    reason: str
    failed: bool = False
    """Whether it should have gone on."""
    cause: Cause = ""


StreamEvent: TypeAlias = StreamStarted | StreamGap | StreamRestarted | StreamLost | StreamEnded
Entry: TypeAlias = Frame | StreamEvent
"""What stands in line in front of a lane."""
