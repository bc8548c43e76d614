"""Names of a model's classes, as options of several kinds of stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from edgekit.schema.bounds import Between, Length
from edgekit.schema.names import InnerPath, OneLine

Threshold = Annotated[float, Between(above=0, maximum=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOptions:
    """What the classes are called. The build reads them from where they stand, and they travel in the plan."""

    labels: Annotated[tuple[OneLine, ...], Length(1, 100_000)] | None = None
    """One for each class, in the model's order. Without them, those of labels_file; without that, those that the model
    itself names, as Ultralytics writes them into its metadata."""
    labels_file: InnerPath | None = None
    """A text file in the recipe: a class in each line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxOptions(LabelOptions):
    """Which boxes of a detector count."""

    threshold: Threshold = 0.25
    """Least score of a detection."""
    thresholds: dict[OneLine, Threshold] = field(default_factory=dict)
    """Other least scores, by class."""
    iou: Threshold = 0.45
    """Of two boxes of one class that overlap by more (intersection over union), the weaker is dropped."""
    agnostic: bool = False
    """Whether boxes of different classes are held against each other too."""
    most: Annotated[int, Between(1, 100_000)] = 300
    """Detections of one picture, the strongest."""
