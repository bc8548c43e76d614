"""Options of the trackers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.names import TableName
from edgekit.schema.stages.product import Product

Speed = Annotated[float, Between(-10_000, 10_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackOptions:
    """Options of `track`."""

    max_distance_px: Annotated[float, Between(0, 100_000)] = 40.0
    """From where a track is expected to where a detection may be, in the source's pixels."""
    max_missed: Annotated[int, Between(0, 100_000)] = 3
    """Frames that a track outlives without a detection; frames that were dropped before it do not count."""
    velocity_px: Annotated[tuple[Speed, ...], Length(2, 2, "right and down")] = (0.0, 0.0)
    """Right and down per frame that a new track is expected to move: the belt's speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackStage:
    """Gives detections of the same part the same number from frame to frame."""

    takes: ClassVar[tuple[Product, ...]] = ("detections",)
    gives: ClassVar[tuple[Product, ...]] = ("tracks",)

    kind: Literal["track"]
    lane: TableName
    options: TrackOptions = TrackOptions()


Score = Annotated[float, Between(0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BytetrackOptions:
    """Options of `bytetrack`. The model's own threshold should be as low as `weak_score`."""

    strong_score: Score = 0.5
    """From here on a detection goes on with any track that it overlaps."""
    weak_score: Score = 0.1
    """From here on with one that was there in the frame before: half hidden things score low."""
    new_score: Score = 0.6
    """From here on it begins a track where none is."""
    overlap: Annotated[float, Between(above=0, maximum=1)] = 0.2
    """Least intersection over union of a detection with where a track is expected."""
    min_frames: Annotated[int, Between(1, 1000)] = 2
    """Frames in a row that a new track is seen in before it gets a number."""
    max_missed: Annotated[int, Between(0, 100_000)] = 30
    """Frames that a track outlives without a detection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BytetrackStage:
    """Follows boxes through crowds, by where they are expected and how much they overlap."""

    takes: ClassVar[tuple[Product, ...]] = ("detections",)
    gives: ClassVar[tuple[Product, ...]] = ("tracks",)

    kind: Literal["bytetrack"]
    lane: TableName
    options: BytetrackOptions = BytetrackOptions()
