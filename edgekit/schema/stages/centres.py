"""Options of `centres`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.names import OneLine, TableName
from edgekit.schema.stages.product import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class CentresOptions:
    """Options of `centres`."""

    labels: Annotated[tuple[OneLine, ...], Length(1, 10_000)]
    """One for each channel of the heat map."""
    threshold: Annotated[float, Between(above=0, maximum=1)] = 0.5
    stride_px: Annotated[int, Between(1, 1024)] = 4
    """Pixels of the model's input between two cells; cell 0 lies on the middle of pixel 0."""
    heat: OneLine = "heat"
    """Output float32[1, labels, rows, columns], 0..1."""
    offset: OneLine = "offset"
    """Output float32[1, 2, rows, columns]: how far right and down of its cell a centre lies, in cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CentresStage:
    """Peaks of a heat map become detections, for models with a map per label and a map of offsets."""

    takes: ClassVar[tuple[Product, ...]] = ("outputs",)
    gives: ClassVar[tuple[Product, ...]] = ("detections",)

    kind: Literal["centres"]
    lane: TableName
    model: TableName | None = None
    """Whose outputs these are; may be left out where there is one model."""
    options: CentresOptions
