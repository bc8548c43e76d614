"""What must hold between what a recipe says of lanes' threads and streams' times. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.host.catalogue.mistake import Mistake
from edgekit.schema.recipe import Recipe
from edgekit.schema.source import FileSource, ImagesSource, SyntheticSource
from edgekit.schema.stages import WithoutModel, model_of
from edgekit.schema.stages.engine import InferStage, PreprocessStage
from edgekit.schema.stages.pictures import CropsStage


def schedule_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    """Every mistake in threads and deadlines that no field shows alone."""
    yield from _threads(recipe)
    yield from _batches(recipe)
    yield from _waits(recipe)
    for name, source in recipe.pipeline.sources.items():
        fast = isinstance(source, (FileSource, ImagesSource, SyntheticSource)) and source.pace == "fast"
        if fast and source.deadline_ms is not None:
            wanted = 'is for frames that come at their own time: leave it out, or write pace = "camera"'
            yield Mistake(f"pipeline.sources.{name}.deadline_ms", wanted)


def _waits(recipe: Recipe) -> Iterator[Mistake]:
    """Who may wait for ever has to stand below all others: else one that stands below it is served before it."""
    lowest = min((source.priority for source in recipe.pipeline.sources.values()), default=0)
    for name, source in recipe.pipeline.sources.items():
        if source.max_wait_s == "never" and source.priority > lowest:
            wanted = (
                f'may be "never" for the lowest priority alone, which is {lowest}: give it seconds, or that priority'
            )
            yield Mistake(f"pipeline.sources.{name}.max_wait_s", wanted)


def _batches(recipe: Recipe) -> Iterator[Mistake]:
    """A batch over streams is what several threads give a model at a time, each the picture of one frame."""
    stages = recipe.pipeline.stages
    for name, model in recipe.models.items():
        using = {one: stage for one, stage in stages.items() if model_of(stage, recipe.models) == name}
        single = [one for one, stage in using.items() if isinstance(stage, PreprocessStage)]
        if model.input is None or model.input.batch == 1 or not single:
            continue
        key = f"models.{name}.input.batch"
        for one, stage in using.items():
            if isinstance(stage, CropsStage):
                yield Mistake(key, f"expected 1: stage {single[0]} gives one picture of a frame, and {one} several")
            if isinstance(stage, InferStage) and recipe.pipeline.lanes[stage.lane].threads == 1:
                wanted = f"expected 2 or more: a batch of {model.input.batch} is what threads of {one} give at a time"
                yield Mistake(f"pipeline.lanes.{stage.lane}.threads", wanted)
        if model.other_inputs:
            yield Mistake(key, "expected 1: pictures of several streams go together, and its other_inputs cannot")


def _threads(recipe: Recipe) -> Iterator[Mistake]:
    """Each thread of a lane has stages of its own, so that none of them sees all frames of a stream."""
    pipeline = recipe.pipeline
    for name, lane in pipeline.lanes.items():
        if lane.threads == 1:
            continue
        key = f"pipeline.lanes.{name}.threads"
        keeping = [
            one for one, stage in pipeline.stages.items() if stage.lane == name and isinstance(stage, WithoutModel)
        ]
        if keeping:
            kind = pipeline.stages[keeping[0]].kind
            yield Mistake(key, f"expected 1: stage {keeping[0]} ({kind}) needs every frame of its stream, one by one")
        sinks = [one for one, sink in pipeline.sinks.items() if sink.lane == name]
        if sinks:
            yield Mistake(key, f"expected 1: sink {sinks[0]} takes frames one by one; give it a lane of its own")
