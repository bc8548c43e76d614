"""Options of `yolo`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edgekit.schema.names import OneLine, TableName
from edgekit.schema.stages.labels import BoxOptions
from edgekit.schema.stages.product import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloOptions(BoxOptions):
    """Options of `yolo`."""

    output: OneLine = "output0"
    """The model's output float32[1, 4 + labels, anchors]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloStage:
    """The output of YOLOv8, YOLO11 and their kin becomes detections with boxes; `detect` knows other models too."""

    takes: ClassVar[tuple[Product, ...]] = ("outputs",)
    gives: ClassVar[tuple[Product, ...]] = ("detections",)

    kind: Literal["yolo"]
    lane: TableName
    model: TableName | None = None
    """Whose output this is; may be left out where there is one model."""
    options: YoloOptions = YoloOptions()
