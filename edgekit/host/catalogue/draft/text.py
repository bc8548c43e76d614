"""Writes recipe.toml for a user's model: short, with comments where something is most likely to be changed. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.host.catalogue.draft.ends import EXAMPLE_ADDRESS, DraftEnd
from edgekit.host.toml_text import toml_string
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.recipe import ColourContract

_WIDTH = 110
_SHOWN_LABELS = 8
_EVERYWHERE_PX = 16_384
"""No source's picture is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """All that a recipe is written from."""

    name: str
    onnx: str
    """The model's file in the recipe's folder."""
    picture: ColourContract
    layout: HeadLayout
    labels: tuple[str, ...]
    labels_file: str
    """In the recipe's folder; empty: the model names its classes itself."""
    precision: str
    threshold: float
    """Least score that counts; of maps of classes none has one."""
    calibration: bool
    """Whether there are pictures to calibrate and verify with, in `pictures/`."""
    cameras: tuple[DraftEnd, ...]
    broker: DraftEnd | None


def recipe_text(draft: Draft) -> str:
    """The whole file."""
    parts = (_top, _model, _sources, _stages, _sinks, _lanes, _settings)
    return "\n".join("\n".join(lines) + "\n" for part in parts if (lines := list(part(draft))))


def _top(draft: Draft) -> Iterator[str]:
    yield f"name = {toml_string(draft.name)}"
    yield 'version = "1.0.0"'


def _model(draft: Draft) -> Iterator[str]:
    picture = draft.picture
    yield "[models.net]"
    yield f"onnx = {toml_string(draft.onnx)}"
    yield f"precision = {toml_string(draft.precision)}             # on boards with an accelerator; or int8, float32"
    if draft.calibration:
        yield 'calibration = ["pictures/*"]     # ranges for int8; each engine is held against the model on them too'
    if draft.precision == "int8":
        yield 'split = "auto"                 # boxes and scores in one output fit no single int8 range'
    yield ""
    yield "[models.net.input]                # what the model takes, and was trained with"
    yield f"width_px = {picture.width_px}"
    yield f"height_px = {picture.height_px}"
    yield f"order = {toml_string(picture.order)}"
    yield f"layout = {toml_string(picture.layout)}"
    yield f"dtype = {toml_string(picture.dtype)}"
    if picture.dtype != "uint8":
        yield f"scale = {_numbers(picture.scale)}       # tensor = (pixel - mean) * scale, of pixels 0 to 255"
        yield f"mean = {_numbers(picture.mean)}"
    yield f"fit = {toml_string(picture.fit)}"
    if picture.fit == "letterbox":
        yield f"bars = {picture.bars}                        # their brightness"
    if picture.align != "centre":
        yield f"align = {toml_string(picture.align)}"


def _sources(draft: Draft) -> Iterator[str]:
    for index, camera in enumerate(draft.cameras):
        yield from [""] if index else []
        yield f"[pipeline.sources.{camera.name}]"
        yield 'kind = "rtsp"'
        yield f"url = {_setting(camera.setting('url'))}"
        if camera.login:
            yield f"user = {_setting(camera.setting('user'))}"
            yield f"password = {_setting(camera.setting('password'))}"
        yield '# matrix = "709"              # both only for a camera that does not say its colours: the log tells'
        yield '# range = "limited"'
        yield 'lane = "cameras"'


def _stages(draft: Draft) -> Iterator[str]:
    yield '[pipeline.stages.scale]\nkind = "preprocess"\nlane = "detect"\n'
    yield '[pipeline.stages.see]\nkind = "infer"\nlane = "detect"\n'
    yield from _head(draft)
    if draft.layout.kind == "detect":
        yield from _followed(draft)


def _head(draft: Draft) -> Iterator[str]:
    """The stage that makes something of the model's outputs."""
    layout = draft.layout
    yield f"[pipeline.stages.find]            # {layout.words.partition(':')[0]}"
    yield f'kind = "{layout.kind}"\nlane = "results"'
    match layout.kind:
        case "detect":
            yield f"options.head = {toml_string(layout.head or 'auto')}"
        case "classify":
            yield "options.top = 1                   # so many classes of a picture, the likeliest"
        case "read":
            yield 'options.blank = "first"           # or "last": where the score of no sign stands'
        case "segment":
            yield '# options.ignore = ["background"]  # classes that are not told'
            yield "# options.parts = true            # each part that hangs together is a detection of its own"
    if layout.kind != "detect" or layout.activation != "none":
        yield f"options.activation = {toml_string(layout.activation)}"
    if layout.kind != "segment":
        yield f"options.threshold = {draft.threshold:g}"
    if draft.labels_file:
        yield f"options.labels_file = {toml_string(draft.labels_file)}"
    else:
        names = "signs" if layout.kind == "read" else "classes"
        yield from _folded(f"{len(draft.labels)} {names}, which the model names itself: {_first(draft.labels)}")


def _followed(draft: Draft) -> Iterator[str]:
    """Things that are found are followed, and counted where they are."""
    strong = min(1.0, round(draft.threshold + 0.15, 3))
    yield ""
    yield '[pipeline.stages.follow]\nkind = "bytetrack"\nlane = "results"'
    yield f"options = {{ weak_score = {draft.threshold:g}, strong_score = {strong:g}, new_score = {strong:g} }}"
    yield ""
    yield "# Who comes and goes: here the whole picture; write corners of your own areas, in the camera's pixels."
    yield '[pipeline.stages.areas]\nkind = "zones"\nlane = "results"'
    far = _EVERYWHERE_PX
    yield f"options.zones.picture = [[0, 0], [{far}, 0], [{far}, {far}], [0, {far}]]"


def _first(labels: tuple[str, ...]) -> str:
    return ", ".join(labels[:_SHOWN_LABELS]) + (", ..." if len(labels) > _SHOWN_LABELS else "")


def _sinks(draft: Draft) -> Iterator[str]:
    if draft.layout.kind == "detect":
        yield "[pipeline.sinks.log]              # events and counts, for edgekit logs"
        yield 'kind = "jsonl"\npath = "-"\nlane = "results"'
    else:
        yield "[pipeline.sinks.log]              # what is found, for edgekit logs"
        yield 'kind = "jsonl"\npath = "-"\nlane = "results"\ndetections = true\ndetections_every_s = 1.0'
    yield ""
    yield "[pipeline.sinks.preview]          # pictures with boxes, for edgekit view; none are made while nobody looks"
    yield 'kind = "preview"\nlane = "results"'
    broker = draft.broker
    if broker is None:
        return
    yield ""
    yield f"[pipeline.sinks.{broker.name}]           # edgekit/{draft.name}/CAMERA/events, .../counts and .../state"
    yield 'kind = "mqtt"'
    yield f"host = {_setting(broker.name)}"
    if broker.port is not None:
        yield f"port = {broker.port}"
    if broker.login:
        yield f"user = {_setting(broker.setting('user'))}"
        yield f"password = {_setting(broker.setting('password'))}"
    yield 'lane = "results"'


def _lanes(draft: Draft) -> Iterator[str]:
    del draft
    yield from _folded(
        "A lane is a thread on CPUs of the application's own; a camera waits for nobody, so the oldest frame goes."
    )
    yield '[pipeline.lanes.cameras]\ncpus = [0]\nqueue = 2\ndrop = "drop_oldest"\n'
    yield '[pipeline.lanes.detect]\ncpus = [1]\nqueue = 2\ndrop = "drop_oldest"\n'
    yield '[pipeline.lanes.results]\ncpus = [0]\nqueue = 16\ndrop = "drop_oldest"\n'
    yield '[limits]\nmemory_max = "1GiB"\ncpus = 2\n'
    yield "[health]                          # when a new release, or new settings, are kept"
    yield "min_fps = 0.5\nmax_error_ratio = 0.01\nsettle_s = 10.0"


def _settings(draft: Draft) -> Iterator[str]:
    yield "# What differs from board to board: fleet.toml gives the values, and no release holds them."
    for camera in draft.cameras:
        yield from _one_setting(camera.setting("url"), f"Address of {_called(camera)}.", EXAMPLE_ADDRESS)
        yield from _login(camera, _called(camera))
    if draft.broker is not None:
        yield from _one_setting(draft.broker.name, "Name or address of the MQTT broker.", "10.0.0.2")
        yield from _login(draft.broker, "the MQTT broker")


def _called(camera: DraftEnd) -> str:
    return "the camera" if camera.name == "camera" else f"camera {camera.name}"


def _login(end: DraftEnd, whose: str) -> Iterator[str]:
    if end.login:
        yield from _one_setting(end.setting("user"), f"User of {whose}.", "viewer")
        yield from _one_setting(end.setting("password"), f"Password of {whose}.", "")


def _one_setting(name: str, about: str, example: str) -> Iterator[str]:
    yield f"[settings.{name}]"
    yield 'kind = "text"'
    yield f"about = {toml_string(about)}"
    yield f"example = {toml_string(example)}\n" if example else "secret = true\n"


def _setting(name: str) -> str:
    return f"{{ setting = {toml_string(name)} }}"


def _folded(comment: str) -> list[str]:
    return textwrap.wrap(comment, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _numbers(value: float | tuple[float, ...]) -> str:
    return json.dumps(list(value)) if isinstance(value, tuple) else json.dumps(value)
