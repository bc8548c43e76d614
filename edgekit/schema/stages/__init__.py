"""The steps of a pipeline as written in recipe.toml: one dataclass for each kind, and one for the options of each.

`kind` tells them apart, so every option is checked when the recipe is read. A new kind is a class in the file of its
family here, a member of `RecipeStage`, and a class in `edgekit/device/runtime/stages/` that takes its options.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from edgekit.schema.stages.centres import CentresStage
from edgekit.schema.stages.colour import ColourStage
from edgekit.schema.stages.detect import DetectStage
from edgekit.schema.stages.engine import InferStage, PreprocessStage
from edgekit.schema.stages.own import PythonStage
from edgekit.schema.stages.pictures import ClassifyStage, CropsStage, ReadStage, SegmentStage
from edgekit.schema.stages.scene import CountStage, LinesStage, ZonesStage
from edgekit.schema.stages.tracking import BytetrackStage, TrackStage
from edgekit.schema.stages.yolo import YoloStage

WithoutModel = TrackStage | BytetrackStage | CountStage | LinesStage | ZonesStage
"""Stages that no model belongs to."""
HeadStage = CentresStage | YoloStage | DetectStage | ClassifyStage | SegmentStage | ReadStage
"""Stages that make something of a model's outputs."""
RecipeStage = PreprocessStage | InferStage | HeadStage | CropsStage | ColourStage | WithoutModel | PythonStage
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


def lane_of_model(model: str, stages: Mapping[str, RecipeStage], models: Collection[str]) -> str | None:
    """The lane whose thread runs a model first; None where no stage runs it."""
    running = (stage for stage in stages.values() if isinstance(stage, (InferStage, CropsStage, PythonStage)))
    return next((stage.lane for stage in running if model_of(stage, models) == model), None)
