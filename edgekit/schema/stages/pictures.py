"""Options of stages that say something of a whole picture, or of each thing that was found in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from edgekit.schema.bounds import Between
from edgekit.schema.names import OneLine, TableName
from edgekit.schema.stages.detect import Activation
from edgekit.schema.stages.labels import LabelOptions
from edgekit.schema.stages.product import Product

Share = Annotated[float, Between(0, 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions(LabelOptions):
    """Which output it is. What is `auto` or left out the build finds out, says, and writes into the plan."""

    output: OneLine | None = None
    """The model's output; may be left out where there is one."""
    activation: Activation | Literal["auto"] = "auto"
    """What makes scores of the model's numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyOptions(PictureOptions):
    """Options of `classify`."""

    top: Annotated[int, Between(1, 1000)] = 1
    """So many classes of a picture, the likeliest."""
    threshold: Share = 0.0
    """Least score of one that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions(PictureOptions):
    """Options of `read`. Its labels are the signs that it knows, a line of labels_file each."""

    threshold: Share = 0.5
    """Least mean score of a text that counts."""
    blank: Literal["first", "last"] = "first"
    """Where among its scores that of no sign stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOptions(PictureOptions):
    """Options of `segment`."""

    ignore: tuple[OneLine, ...] = ()
    """Classes that are not told: the background."""
    least_share: Share = 0.001
    """Of the picture, that a class, or a part of one, must cover to be told."""
    threshold: Share = 0.5
    """Of a model with one map alone: a cell is of its class from this score on."""
    parts: bool = False
    """Whether each part of a class that hangs together is a detection of its own: lines of text, for `crops`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropsOptions(PictureOptions):
    """Options of `crops`."""

    reads: Literal["class", "text", "auto"] = "auto"
    """What its model says of each crop."""
    of: tuple[OneLine, ...] = ()
    """Labels of the detections that are looked at; none: all."""
    margin: Annotated[float, Between(0, 2)] = 0.0
    """What is taken of a box's surroundings on each side, of its size."""
    min_px: Annotated[int, Between(1, 10_000)] = 16
    """Detections that are narrower or lower are not looked at."""
    most: Annotated[int, Between(1, 1000)] = 16
    """Detections of one frame that are looked at, the strongest: each takes a run of the model."""
    threshold: Share = 0.5
    """Least score of what is said of a detection."""
    blank: Literal["first", "last"] = "first"
    """As of `read`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyStage:
    """A classifier's scores become its likeliest classes: detections that are as large as the picture."""

    takes: ClassVar[tuple[Product, ...]] = ("outputs",)
    gives: ClassVar[tuple[Product, ...]] = ("detections",)

    kind: Literal["classify"]
    lane: TableName
    model: TableName | None = None
    """Whose output this is; may be left out where there is one model."""
    options: ClassifyOptions = ClassifyOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStage:
    """What a model reads in a picture of one line (CTC) becomes a detection with a text."""

    takes: ClassVar[tuple[Product, ...]] = ("outputs",)
    gives: ClassVar[tuple[Product, ...]] = ("detections",)

    kind: Literal["read"]
    lane: TableName
    model: TableName | None = None
    """Whose output this is; may be left out where there is one model."""
    options: ReadOptions = ReadOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStage:
    """A map for each class becomes a detection for each class that is there, with its area and outline."""

    takes: ClassVar[tuple[Product, ...]] = ("outputs",)
    gives: ClassVar[tuple[Product, ...]] = ("detections",)

    kind: Literal["segment"]
    lane: TableName
    model: TableName | None = None
    """Whose output this is; may be left out where there is one model."""
    options: SegmentOptions = SegmentOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class CropsStage:
    """A second model looks at each detection; what it says becomes an attribute or the text of that."""

    takes: ClassVar[tuple[Product, ...]] = ("detections",)
    gives: ClassVar[tuple[Product, ...]] = ()

    kind: Literal["crops"]
    lane: TableName
    model: TableName | None = None
    """The model that looks at the crops."""
    options: CropsOptions = CropsOptions()
