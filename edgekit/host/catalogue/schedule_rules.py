"""What must hold between what a recipe says of lanes' threads and streams' times. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.host.catalogue.mistake import Mistake
from edgekit.schema.recipe import Recipe
from edgekit.schema.source import FileSource, ImagesSource, SyntheticSource
from edgekit.schema.stages import WithoutModel


def schedule_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    """Every mistake in threads and deadlines that no field shows alone."""
    yield from _threads(recipe)
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
