"""Options of the stages that count and tell what tracks do in a scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.names import TableName
from edgekit.schema.stages.product import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class CountOptions:
    """Options of `count`."""

    line_x_px: Annotated[float, Between(0, 100_000)]
    """Where the line stands, in the source's pixels; parts cross it from left to right."""
    min_frames: Annotated[int, Between(1, 100_000)] = 3
    """Frames that a track must have been seen in, the crossing one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountStage:
    """Counts each track once, when it crosses a line, under the name that most of its frames gave it."""

    takes: ClassVar[tuple[Product, ...]] = ("tracks",)
    gives: ClassVar[tuple[Product, ...]] = ("counts",)

    kind: Literal["count"]
    lane: TableName
    options: CountOptions


Anchor = Literal["centre", "bottom"]
"""Which point of a box is where a thing is: `bottom` is where it stands on the ground."""
Coordinate = Annotated[float, Between(-100_000, 100_000)]
PixelPoint = Annotated[tuple[Coordinate, ...], Length(2, 2, "x and y")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAcross:
    """A line in the source's picture. Looking from its start to its end, `in` is from left to right."""

    start_px: PixelPoint
    end_px: PixelPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesOptions:
    """Options of `lines`."""

    lines: Annotated[dict[TableName, LineAcross], Length(1, 100)]
    anchor: Anchor = "bottom"
    margin_px: Annotated[float, Between(0, 1000)] = 2.0
    """What is nearer to a line is on neither of its sides: boxes tremble."""
    min_frames: Annotated[int, Between(1, 100_000)] = 3
    """Frames that a track must have been seen in, the crossing one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesStage:
    """Counts what crosses lines, as `line label in` and `line label out`, and tells each crossing."""

    takes: ClassVar[tuple[Product, ...]] = ("tracks",)
    gives: ClassVar[tuple[Product, ...]] = ("counts", "events")

    kind: Literal["lines"]
    lane: TableName
    options: LinesOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonesOptions:
    """Options of `zones`."""

    zones: Annotated[dict[TableName, Annotated[tuple[PixelPoint, ...], Length(3, 100)]], Length(1, 100)]
    """Corners of each area, in order."""
    anchor: Anchor = "bottom"
    stay_s: Annotated[float, Between(0, 1_000_000)] | None = None
    """Who is there for so long is told as `stayed`, once."""
    forget_s: Annotated[float, Between(0, 86_400)] = 2.0
    """Who is not seen for so long has left."""
    min_frames: Annotated[int, Between(1, 100_000)] = 3
    """Frames that a track must have been seen in before it can have entered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZonesStage:
    """Counts who enters areas, as `zone label`, and tells who enters, stays and leaves, with the time."""

    takes: ClassVar[tuple[Product, ...]] = ("tracks",)
    gives: ClassVar[tuple[Product, ...]] = ("counts", "events")

    kind: Literal["zones"]
    lane: TableName
    options: ZonesOptions
