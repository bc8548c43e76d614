"""What sinks write and send, for programs that read it: each line and message is one of these, as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from edgekit.schema.bounds import Between
from edgekit.schema.message import Message

EventKind = Literal["crossed", "entered", "left", "stayed"]
"""What can happen in a scene: at a line, at a zone's edge, within one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEvent:
    """One event that a clip shows."""

    kind: EventKind
    place: str
    """The line's or zone's name."""
    label: str
    """What it was."""
    track: int
    direction: str
    """`in` or `out`, of a line; else empty."""
    seconds: float
    """How long it has been in the zone."""
    frame: int
    """Number of the frame in its stream."""
    at_s: float
    """When the camera delivered that frame, seconds since 1970, UTC."""
    clip_s: float
    """About where in the clip, in seconds from its beginning; below 0 where that picture was gone already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipNote(Message):
    """What lies beside a clip, in a file of its name that ends in `.json`."""

    file: str
    """The clip's name."""
    application: str
    version: str
    """The application's."""
    stream: str
    """The source's name."""
    at_s: Annotated[float, Between(0, 1e11)]
    """When its first event was, seconds since 1970, UTC."""
    seconds: Annotated[float, Between(0, 1e7)]
    """How long it is."""
    codec: str
    """As FFmpeg calls it."""
    bytes: int
    events: tuple[ClipEvent, ...]
    """What it was made for, in order; the first 1000."""
    short: str = ""
    """Why it ends early; empty where it is as long as it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedEvent:
    """One event, as `webhook` posts it."""

    about: Literal["event"] = "event"
    id: str
    """The same each time that it is sent: by it a server knows what came twice."""
    at_s: float
    """When the camera delivered its frame, seconds since 1970, UTC."""
    sender: str
    application: str
    stream: str
    """The source's name."""
    frame: int
    """Its number in the stream."""
    kind: EventKind
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
class PostedCounts:
    """The counts of one stream after they changed, as `webhook` posts them."""

    about: Literal["counts"] = "counts"
    at_s: float
    sender: str
    application: str
    stream: str
    frame: int
    counts: dict[str, int]


def to_json(result: Any) -> bytes:
    """One result on a line, with all its keys.

    Raises:
        ValueError: there is a number in it that JSON cannot hold; a recipe's own code may have put it there.
    """
    return json.dumps(dataclasses.asdict(result), allow_nan=False, default=_number).encode() + b"\n"


def _number(value: Any) -> int | float:
    """One of numpy's: a recipe's own code may have put it there."""
    return value.__index__() if hasattr(value, "__index__") else float(value)
