"""The steps of a pipeline as written in recipe.toml: one dataclass for each kind, and one for the options of each.

`kind` tells them apart, so every option is checked when the recipe is read. A new kind is a class here, a member of
`RecipeStage`, and a class in `edgekit/device/runtime/stages/` that takes its options.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.names import ClassEntry, OneLine, TableName

Product = Literal["picture", "tensor", "outputs", "detections", "tracks", "counts", "events"]
"""What one stage leaves in a frame for the next: the scaled picture, the model's input made of it, the model's outputs,
what was found, which of it is the same as before, how many there were. A `python` stage may leave any of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """This kind has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessStage:
    """The frame becomes the model's input."""

    takes: ClassVar[tuple[Product, ...]] = ()
    gives: ClassVar[tuple[Product, ...]] = ("picture", "tensor")

    kind: Literal["preprocess"]
    lane: TableName
    model: TableName | None = None
    """For which model; may be left out where there is one."""
    options: NoOptions = NoOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class InferStage:
    """The engine runs."""

    takes: ClassVar[tuple[Product, ...]] = ("tensor",)
    gives: ClassVar[tuple[Product, ...]] = ("outputs",)

    kind: Literal["infer"]
    lane: TableName
    model: TableName | None = None
    """Which model runs; may be left out where there is one."""
    options: NoOptions = NoOptions()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStage:
    """The recipe's own step."""

    takes: ClassVar[tuple[Product, ...]] = ()
    gives: ClassVar[tuple[Product, ...]] = ("picture", "tensor", "outputs", "detections", "tracks", "counts", "events")

    kind: Literal["python"]
    lane: TableName
    entry: ClassEntry
    """`module:Class` in the recipe's `app/` folder."""
    model: TableName | None = None
    """A model that it runs itself."""
    options: dict[str, Any] = field(default_factory=dict)
    """For the dataclass that the class names in its attribute `Options`; as they are where it names none."""


WithoutModel = TrackStage | BytetrackStage | CountStage | LinesStage | ZonesStage
"""Stages that no model belongs to."""
RecipeStage = PreprocessStage | InferStage | CentresStage | YoloStage | ColourStage | WithoutModel | PythonStage
"""One step of the pipeline, by `kind`."""


def model_of(stage: RecipeStage, models: Collection[str]) -> str:
    """The model that a stage belongs to: the one that it names, or the only one there is; empty for none.

    A `python` stage runs a model only where it names it.
    """
    if isinstance(stage, WithoutModel):
        return ""
    if stage.model is None and len(models) == 1 and not isinstance(stage, PythonStage):
        return next(iter(models))
    return stage.model or ""
