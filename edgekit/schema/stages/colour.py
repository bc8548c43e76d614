"""Options of `colour`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.names import OneLine, TableName
from edgekit.schema.stages.product import Product

Level = Annotated[int, Between(0, 255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourOptions:
    """Options of `colour`."""

    palette: Annotated[dict[OneLine, Annotated[tuple[Level, ...], Length(3, 3, "R, G, B")]], Length(1, 1000)]
    """Name to R, G, B, full range, 0..255."""
    max_distance: Annotated[float, Between(0, 442)] = 90.0
    """Distance in RGB beyond which a colour is `unknown`."""
    radius_px: Annotated[int, Between(0, 1024)] = 1
    """Of the square whose median counts, in the model's input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourStage:
    """Names the colour at each detection's centre."""

    takes: ClassVar[tuple[Product, ...]] = ("picture", "detections")
    gives: ClassVar[tuple[Product, ...]] = ()

    kind: Literal["colour"]
    lane: TableName
    model: TableName | None = None
    """Whose input is looked at; may be left out where there is one model."""
    options: ColourOptions
