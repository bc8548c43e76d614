"""Options of `detect`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.names import InnerPath, OneLine, TableName
from edgekit.schema.stages.labels import BoxOptions
from edgekit.schema.stages.product import Product

HeadName = Literal[
    "yolov8",
    "yolov5",
    "yolov5_maps",
    "yolox",
    "yolox_maps",
    "split_maps",
    "nanodet",
    "end2end",
    "rtdetr",
    "detr",
    "listed",
    "boxes_scores",
    "ssd",
]
"""How a detector's outputs are laid out. README, Models and heads, says which models have which."""
Activation = Literal["none", "sigmoid", "softmax"]
Unit = Literal["pixels", "fraction"]
Corners = Literal["left_top_right_bottom", "top_left_bottom_right", "middle_size"]
Background = Literal["none", "first", "last"]
Pixel = Annotated[float, Between(above=0, maximum=100_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectOptions(BoxOptions):
    """Options of `detect`. What is `auto` or left out the build finds out, says, and writes into the plan."""

    head: HeadName | Literal["auto"] = "auto"
    """The layout of the model's outputs."""
    outputs: Annotated[tuple[OneLine, ...], Length(0, 64)] = ()
    """The outputs that it reads, in the head's order."""
    activation: Activation | Literal["auto"] = "auto"
    """What makes scores of the model's numbers."""
    unit: Unit | Literal["auto"] = "auto"
    """Of the model's boxes: pixels of its input, or 0..1 of its size."""
    corners: Corners | Literal["auto"] = "auto"
    """What the four numbers of a box are."""
    background: Background | Literal["auto"] = "auto"
    """Which class means that there is nothing; it has no label."""
    anchors_px: Annotated[tuple[Annotated[tuple[Pixel, ...], Length(2, 32)], ...], Length(0, 8)] = ()
    """Of `yolov5_maps`: widths and heights in turn, a list for each output from the finest grid on. Without them,
    those of YOLOv5."""
    priors: InnerPath | None = None
    """Of `ssd`: a NumPy file float[boxes, 4] in the recipe, each middle and size in 0..1 of the picture."""
    variances: Annotated[tuple[Annotated[float, Between(above=0, maximum=10)], ...], Length(2, 2, "places, sizes")] = (
        0.1,
        0.2,
    )
    """Of `ssd`."""
    masks: Annotated[int, Between(0, 1024)] = 0
    """Coefficients of each candidate's mask, where the model has masks."""
    keypoints: Annotated[tuple[OneLine, ...], Length(0, 1000)] = ()
    """Names of the points of each detection, in the model's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectStage:
    """A detector's outputs become detections: with boxes, and with masks or points where the model has them."""

    takes: ClassVar[tuple[Product, ...]] = ("outputs",)
    gives: ClassVar[tuple[Product, ...]] = ("detections",)

    kind: Literal["detect"]
    lane: TableName
    model: TableName | None = None
    """Whose outputs these are; may be left out where there is one model."""
    options: DetectOptions = DetectOptions()
