"""What a pipeline found, and the face of a sink of a recipe's own: `edgekit.stage` hands it on to code in `app/`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from edgekit.imaging.kept import KeptPicture
from edgekit.schema.detection import Detection
from edgekit.schema.result import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneEvent:
    """Something that happened in a scene, once."""

    kind: EventKind
    place: str
    """The line's or zone's name."""
    label: str
    """What most of the track's frames called it, its colour before it."""
    track: int
    direction: str = ""
    """`in` or `out`, of a line."""
    seconds: float = 0.0
    """How long it has been in the zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneResult:
    """What was found in one frame."""

    stream: str
    """Name of its source."""
    sequence: int
    """The frame's number in its stream."""
    at_s: float
    """When the camera delivered it, seconds since 1970, UTC."""
    detections: tuple[Detection, ...]
    counts: dict[str, int]
    """The application's counts in this pass of the stream; read-only, others have it too."""
    events: tuple[SceneEvent, ...]
    picture: KeptPicture | None = None
    """A copy, until the sink's call returns; only where the recipe says `pictures = true`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultContext:
    """What a recipe's own sink is made with."""

    name: str
    """The sink's own name in the recipe."""
    options: Any
    """Of the type that the class names in `Options`; as they stand in recipe.toml where it names none."""
    application: str
    release: Path
    """The release's folder, for files that it reads."""
    work: Path
    """The worker's own folder: the sink may write into a folder of its name there."""

    @property
    def log(self) -> logging.Logger:
        """Writes to the worker's journal, under the sink's name."""
        return logging.getLogger(f"edgekit.sink.{self.name}")


class ResultSink:
    """Where results go in a recipe's own way. A recipe's sink need not derive from this.

    One object is made for all streams, on a thread of its own that calls it and nobody else: it may wait, for a
    network or a bus, and costs no lane anything. What comes meanwhile waits in a short line, whose oldest results are
    dropped and counted. An error that it raises is counted and logged; where it cannot be made, it is tried again.
    """

    board_only: ClassVar[bool] = False
    """Whether only a board can make it, for its hardware: `edgekit build` then imports its class and no more."""

    Options: ClassVar[type | None] = None
    """The dataclass of its options, as of a stage."""

    def __init__(self, context: ResultContext) -> None:
        self.context = context

    def __call__(self, result: SceneResult) -> None:
        """Take what was found in one frame. Of one stream they come in order."""
        raise NotImplementedError

    def follow(self, stream: str, state: str, reason: str) -> None:
        """A stream is in another state: `live`, `stalled`, `frozen`, `down`, `ended`, `failed`; and why."""

    def close(self) -> None:
        """Free what it holds: called once, when nothing follows."""
