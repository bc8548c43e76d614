"""What must hold between sinks that take events and the rest of a recipe. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.host.catalogue.mistake import Mistake
from edgekit.schema.problem import closest_of
from edgekit.schema.recipe import Recipe
from edgekit.schema.sink import ClipSink, EventOptions
from edgekit.schema.source import GstreamerSource, RecipeSource, V4l2Source, gives_packets
from edgekit.schema.stages.own import PythonStage
from edgekit.schema.stages.scene import LinesStage, ZonesStage
from edgekit.schema.units import format_bytes

_PACKETS = 'rtsp, file, or v4l2 with format = "mjpeg"'


def event_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    """Every mistake in which events a sink takes, and of which streams clips are made."""
    for name, sink in recipe.pipeline.sinks.items():
        key = f"pipeline.sinks.{name}"
        if isinstance(sink, EventOptions):
            yield from _places(key, sink, recipe)
        if isinstance(sink, ClipSink):
            yield from _clips(key, sink, recipe)


def clip_bytes(recipe: Recipe) -> int:
    """What all clip sinks may hold in memory."""
    sinks = [sink for sink in recipe.pipeline.sinks.values() if isinstance(sink, ClipSink)]
    return sum(sink.buffer * len(sink.sources or recipe.pipeline.sources) for sink in sinks)


def _places(key: str, sink: EventOptions, recipe: Recipe) -> Iterator[Mistake]:
    known: list[str] = []
    for stage in recipe.pipeline.stages.values():
        match stage:
            case LinesStage():
                known += stage.options.lines
            case ZonesStage():
                known += stage.options.zones
            case PythonStage():
                return  # it may tell of any place
    for index, place in enumerate(sink.places):
        if place not in known:
            listed = ", ".join(known) or "none"
            yield Mistake(
                f"{key}.places[{index}]", f"no line or zone {place!r}; there are: {listed}", closest_of(place, known)
            )


def _clips(key: str, sink: ClipSink, recipe: Recipe) -> Iterator[Mistake]:
    sources = recipe.pipeline.sources
    unknown = [(index, source) for index, source in enumerate(sink.sources) if source not in sources]
    for index, source in unknown:
        listed = ", ".join(sources)
        yield Mistake(
            f"{key}.sources[{index}]", f"no source {source!r}; sources: {listed}", closest_of(source, sources)
        )
    if unknown:
        return
    without = [name for name in sink.sources or sources if not gives_packets(sources[name])]
    usable = [name for name in sources if gives_packets(sources[name])]
    if without:
        one = f"source {without[0]!r} {_why_none(sources[without[0]])}"
        cure = f"name those that clips can be made of: {', '.join(usable)}" if usable else f"a clip takes {_PACKETS}"
        yield Mistake(f"{key}.sources", f"{one}: {cure}")
    if sink.longest_s < sink.after_s:
        yield Mistake(f"{key}.longest_s", f"expected at least after_s, {sink.after_s:g}, found {sink.longest_s:g}")


def clip_memory(recipe: Recipe, worker_bytes: int) -> Iterator[Mistake]:
    """The worker's memory holds what clips keep."""
    clips = clip_bytes(recipe)
    if clips and recipe.limits.memory_max < worker_bytes + clips:
        least = format_bytes(worker_bytes + clips)
        expected = f"expected {least} or more: clips keep up to {format_bytes(clips)} of packets; or lower their buffer"
        yield Mistake("limits.memory_max", expected)


def _why_none(source: RecipeSource) -> str:
    """Why a source gives no packets, and how it would."""
    match source:
        case GstreamerSource():
            return 'is decoded by GStreamer, which hands on pictures alone (a camera with kind = "rtsp" gives packets)'
        case V4l2Source():
            return 'gives pictures and no packets (with format = "mjpeg" it does)'
        case _:
            return "was never encoded"
