"""What must hold between the options of one source, or of one sink. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from edgekit.host.catalogue.mistake import Mistake
from edgekit.schema.recipe import Recipe
from edgekit.schema.settings import SettingPlace, is_secret
from edgekit.schema.sink import MqttSink, PreviewSink, WebhookSink
from edgekit.schema.source import GstreamerSource, RecipeSource, Roi, RtspSource, SyntheticSource

_OWN_HEADERS = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "user-agent",
    }
)
"""Which a webhook's requests have anyway."""


def source_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    """Every mistake in a recipe's sources that no field shows alone."""
    for name, source in recipe.pipeline.sources.items():
        key = f"pipeline.sources.{name}"
        if isinstance(source, RtspSource):
            yield from _address(key, source)
            yield from _login(key, source)
        if isinstance(source, GstreamerSource):
            yield from _launch(key, source)
        if source.roi is not None:
            yield from _roi(f"{key}.roi", source.roi, source)


def sink_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    """Every mistake in a recipe's sinks that no field shows alone."""
    for name, sink in recipe.pipeline.sinks.items():
        key = f"pipeline.sinks.{name}"
        if isinstance(sink, MqttSink):
            yield from _login(key, sink)
            if sink.ca_file is not None and not sink.tls:
                yield Mistake(f"{key}.tls", "expected true: a ca_file is for TLS")
        if isinstance(sink, PreviewSink):
            yield from _port(key, sink)
        if isinstance(sink, WebhookSink):
            yield from _request(key, sink)
    previews = [name for name, sink in recipe.pipeline.sinks.items() if isinstance(sink, PreviewSink)]
    for name in previews[1:]:
        yield Mistake(f"pipeline.sinks.{name}", f"a second preview: {previews[0]} shows all streams already")


def open_passwords(recipe: Recipe, places: Collection[SettingPlace]) -> Iterator[Mistake]:
    """Passwords that stand in the recipe, or come from settings that are no secrets."""
    settings = {place.keys: place.setting for place in places}
    for place, table, key, whose in _passwords(recipe):
        setting = settings.get((place, table, key))
        if setting is None:
            wanted = f'a {key} is a setting: write {{ setting = "NAME" }}, and [settings.NAME] with secret = true'
            yield Mistake(f"pipeline.{place}.{table}.{key}", wanted)
        elif not is_secret(recipe.settings[setting]):
            yield Mistake(f"settings.{setting}.secret", f"expected true: it is a {whose}'s {key}")


def _passwords(recipe: Recipe) -> Iterator[tuple[str, str, str, str]]:
    """Which sources and sinks have one: `sources`, its name, the key, and what it lets into."""
    for name, source in recipe.pipeline.sources.items():
        if isinstance(source, RtspSource) and source.password is not None:
            yield "sources", name, "password", "camera"
    for name, sink in recipe.pipeline.sinks.items():
        if isinstance(sink, MqttSink) and sink.password is not None:
            yield "sinks", name, "password", "broker"
        if isinstance(sink, PreviewSink) and sink.token is not None:
            yield "sinks", name, "token", "preview"
        if isinstance(sink, WebhookSink) and sink.token is not None:
            yield "sinks", name, "token", "server"


def _address(key: str, source: RtspSource) -> Iterator[Mistake]:
    if "@" in source.url.partition("://")[2].partition("/")[0]:
        expected = 'an address holds no user and password: give them as user and password = { setting = "NAME" }'
        yield Mistake(f"{key}.url", expected)


def _login(key: str, end: RtspSource | MqttSink) -> Iterator[Mistake]:
    if end.password is not None and end.user is None:
        yield Mistake(f"{key}.user", "missing; a password belongs to a user")


def _port(key: str, sink: PreviewSink) -> Iterator[Mistake]:
    if sink.port is not None and sink.token is None:
        yield Mistake(f"{key}.token", "missing; who comes to the port has to show one")
    if sink.port is None and (sink.token is not None or sink.address != "127.0.0.1"):
        yield Mistake(f"{key}.port", "missing; token and address are for a port")


def _request(key: str, sink: WebhookSink) -> Iterator[Mistake]:
    if sink.ca_file is not None and not sink.url.startswith("https:"):
        yield Mistake(f"{key}.url", "expected an address that begins with https: a ca_file is for TLS")
    if sink.header.lower() in _OWN_HEADERS:
        yield Mistake(f"{key}.header", f"{sink.header} is set already: name another for the token")
    if sink.header != "Authorization" and sink.token is None:
        yield Mistake(f"{key}.token", "missing; a header is for a token")


def _launch(key: str, source: GstreamerSource) -> Iterator[Mistake]:
    if source.launch.rpartition("!")[2].split()[:1] != ["appsink"]:
        yield Mistake(f"{key}.launch", "expected a line that ends in ! appsink: its pictures are taken there")
    if source.decoder != "auto" and "{decoder}" not in source.launch:
        yield Mistake(f"{key}.decoder", "nothing stands for it: write {decoder} where it goes in launch")


def _roi(key: str, roi: Roi, source: RecipeSource) -> Iterator[Mistake]:
    for name in ("left_px", "top_px", "width_px", "height_px"):
        if (number := getattr(roi, name)) % 2:
            yield Mistake(f"{key}.{name}", f"expected an even number, found {number}")
    right, bottom = roi.left_px + roi.width_px, roi.top_px + roi.height_px
    if isinstance(source, SyntheticSource) and (right > source.width_px or bottom > source.height_px):
        whole = f"{source.width_px}x{source.height_px}"
        yield Mistake(key, f"expected a part of the picture, which is {whole}; this ends at {right},{bottom}")
