"""What an application's limits forbid its own sources and sinks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.host.catalogue.confinement_rules import confinement_mistakes
from edgekit.host.release.plan import work_max
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Recipe
from edgekit.schema.sink import ClipSink, MqttSink, PreviewSink, RecipeSink, WebhookSink
from edgekit.schema.source import RtspSource
from edgekit.schema.units import Bytes

RECIPE = from_toml(Recipe, (Path(__file__).parents[4] / "recipes/sorting-line/recipe.toml").read_text(), "recipe.toml")
CAMERA = RtspSource(kind="rtsp", url="rtsp://10.0.0.5/stream1", lane="camera")
MQTT = MqttSink(kind="mqtt", host="broker", lane="follow")
CLIPS = ClipSink(kind="clip", lane="follow")


def made(*, sinks: dict[str, RecipeSink] | None = None, camera: RtspSource | None = None, **limits: object) -> Recipe:
    pipeline = replace(RECIPE.pipeline, sinks=sinks or {}, **({"sources": {"gate": camera}} if camera else {}))  # type: ignore[arg-type]
    return replace(RECIPE, pipeline=pipeline, limits=replace(RECIPE.limits, **limits))  # type: ignore[arg-type]


def mistakes(recipe: Recipe) -> list[str]:
    return [mistake.key for mistake in confinement_mistakes(recipe)]


def test_without_network_no_source_and_no_sink_needs_it() -> None:
    hook = WebhookSink(kind="webhook", url="https://example.org/", lane="follow")
    preview, inner = (PreviewSink(kind="preview", lane="follow", port=port) for port in (8080, None))
    sinks: dict[str, RecipeSink] = {"broker": MQTT, "hook": hook, "page": preview, "view": inner, "clips": CLIPS}
    wanted = ["sources.gate", "sinks.broker", "sinks.hook", "sinks.page.port"]
    assert mistakes(made(sinks=sinks, camera=CAMERA, network="none")) == [f"pipeline.{key}" for key in wanted]
    assert mistakes(made(sinks=sinks, camera=CAMERA)) == []


def test_models_are_served_without_network_by_the_keepers_socket_alone() -> None:
    served = {name: replace(model, serve=True) for name, model in RECIPE.models.items()}
    assert mistakes(replace(made(network="none"), models=served)) == ["serve.port"]
    inner = replace(made(network="none"), models=served, serve=replace(RECIPE.serve, port=0))
    assert mistakes(inner) == []


@pytest.mark.parametrize(("work", "found"), [(Bytes(255 << 20), ["limits.work_max"]), (Bytes(272 << 20), [])])
def test_the_folder_has_room_for_what_sinks_keep(work: Bytes, found: list[str]) -> None:
    assert mistakes(made(sinks={"clips": CLIPS, "broker": MQTT}, work_max=work)) == found


def test_unset_it_has_room_for_that_and_a_gibibyte() -> None:
    assert work_max(made(sinks={"clips": CLIPS, "broker": MQTT})) == (1 << 30) + (256 << 20) + (16 << 20)
    assert work_max(made(work_max=Bytes(5 << 20))) == 5 << 20
