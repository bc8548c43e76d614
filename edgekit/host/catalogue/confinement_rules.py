"""What an application's limits forbid its own sources and sinks."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.host.catalogue.mistake import Mistake
from edgekit.schema.recipe import Recipe
from edgekit.schema.sink import MqttSink, PreviewSink, WebhookSink, kept_bytes
from edgekit.schema.source import RtspSource
from edgekit.schema.units import format_bytes


def confinement_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    """Its network, and its room on disk."""
    if recipe.limits.network == "none":
        yield from _without_network(recipe)
    kept = sum(map(kept_bytes, recipe.pipeline.sinks.values()))
    if recipe.limits.work_max is not None and recipe.limits.work_max < kept:
        yield Mistake("limits.work_max", f"expected {format_bytes(kept)} or more: the sinks may keep that together")


def _without_network(recipe: Recipe) -> Iterator[Mistake]:
    found = [f"sources.{name}" for name, source in recipe.pipeline.sources.items() if isinstance(source, RtspSource)]
    for name, sink in recipe.pipeline.sinks.items():
        if isinstance(sink, (MqttSink, WebhookSink)):
            found.append(f"sinks.{name}")
        elif isinstance(sink, PreviewSink) and sink.port is not None:
            found.append(f"sinks.{name}.port")
    found = [f"pipeline.{key}" for key in found]
    if recipe.serve.port and any(model.serve for model in recipe.models.values()):
        found.append("serve.port")
    for key in found:
        yield Mistake(key, 'needs the network, and limits.network is "none"')
