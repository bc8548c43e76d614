"""Options of `yolo`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.names import OneLine, TableName
from edgekit.schema.stages.product import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloOptions:
    """Options of `yolo`."""

    labels: Annotated[tuple[OneLine, ...], Length(1, 10_000)]
    """One for each class, in the model's order."""
    threshold: Annotated[float, Between(above=0, maximum=1)] = 0.25
    """Least score of a detection."""
    iou: Annotated[float, Between(above=0, maximum=1)] = 0.45
    """Of two boxes of one class that overlap by more (intersection over union), the weaker is dropped."""
    most: Annotated[int, Between(1, 100_000)] = 300
    """Detections of one picture, the strongest."""
    output: OneLine = "output0"
    """The model's output float32[1, 4 + labels, anchors]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloStage:
    """The output of YOLOv8, YOLO11 and their kin becomes detections with boxes."""

    takes: ClassVar[tuple[Product, ...]] = ("outputs",)
    gives: ClassVar[tuple[Product, ...]] = ("detections",)

    kind: Literal["yolo"]
    lane: TableName
    model: TableName | None = None
    """Whose output this is; may be left out where there is one model."""
    options: YoloOptions
