"""What `jsonl` writes: each line is one of these, as JSON. `event` tells them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.schema.detection import Detection
from edgekit.schema.result import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """Something happened in a scene, once."""

    at_s: float
    """When the camera delivered the frame, seconds since 1970, UTC."""
    event: EventKind
    stream: str
    """The source's name."""
    frame: int
    """The frame's number in its stream."""
    place: str
    """The line's or zone's name."""
    label: str
    """What it was."""
    track: int
    direction: str
    """`in` or `out`, of a line; else empty."""
    seconds: float
    """How long it has been in the zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLine:
    """A stream's counts have changed."""

    at_s: float
    event: Literal["count"] = "count"
    stream: str
    frame: int
    counts: dict[str, int]
    """All of them, in this pass of the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionsLine:
    """What was found in a frame; frames in which nothing was found have no line."""

    at_s: float
    event: Literal["detections"] = "detections"
    stream: str
    frame: int
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackLine:
    """A track has ended: it was not seen for some seconds, or its stream restarted or ended."""

    at_s: float
    """When it was seen last."""
    event: Literal["track"] = "track"
    stream: str
    track: int
    label: str
    """What most of its frames called it, its colour before it."""
    first_at_s: float
    """When it was seen first."""
    frames: int
    """In how many it was seen."""
    start_px: tuple[float, ...]
    """x and y of its centre when it was seen first."""
    end_px: tuple[float, ...]
    """And when it was seen last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostLine:
    """No frame comes of a stream for now."""

    at_s: float
    event: Literal["stalled", "frozen", "down"]
    stream: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassLine:
    """A stream begins anew, or is over; with the counts that it had."""

    at_s: float
    event: Literal["restarted", "ended"]
    stream: str
    reason: str
    counts: dict[str, int]


ResultLine = EventLine | CountLine | DetectionsLine | TrackLine | LostLine | PassLine
"""One line."""
