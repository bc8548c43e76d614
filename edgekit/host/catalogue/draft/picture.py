"""What a model's input holds: from its shape, from its exporter's words, and from what the user answers. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.exporter import ExporterSays
from edgekit.host.catalogue.draft.facts import InputFacts
from edgekit.host.catalogue.draft.question import ALIGN, BARS, FIT, LAYOUT, ORDER, PIXELS, SIZE, Answers
from edgekit.schema.recipe import ColourContract

_LARGEST_PX = 8192
_BRIGHTEST = 255
_CHANNELS = (1, 3)
_BY_HAND = "write its recipe by hand: edgekit init NAME makes one to start from"
_SCALES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..1": ((0.0,), (1 / 255,)),
    "0..255": ((0.0,), (1.0,)),
    "-1..1": ((127.5,), (1 / 127.5,)),
    # Source: torchvision.models, "Inference transforms": mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225, RGB.
    "imagenet": ((123.675, 116.28, 103.53), (0.0171248, 0.0175070, 0.0174292)),
}
"""Mean and scale of each range, as the contract writes them: tensor = (pixel - mean) * scale."""


def draft_picture(inputs: Sequence[InputFacts], says: ExporterSays, answers: Answers) -> ColourContract | None:
    """What the one input of a model holds; None while questions are open.

    Raises:
        InputError: it has no input for a picture, or several, or an answer contradicts it.
    """
    given = _one_input(inputs)
    layout = answers.of(LAYOUT, _layout(given))
    size = _size(given, layout, says, answers)
    grey = layout != "" and _channels(given, layout) == 1
    known = says.answers
    order = "GRAY" if grey else answers.of(ORDER, known.get("order", ""))
    pixels = "0..255" if given.dtype == "uint8" else answers.of(PIXELS, known.get("pixels", ""))
    fit = answers.of(FIT, known.get("fit", ""))
    barred = fit == "letterbox"
    bars = answers.of(BARS, known.get("bars", "")) if barred else "0"
    align = answers.of(ALIGN, known.get("align", "")) if barred else "centre"
    if size is None or not (layout and order and pixels and fit and bars):
        return None
    mean, scale = _SCALES[pixels]
    if order == "GRAY" and len(mean) > 1:
        raise InputError(f"pixels: {pixels} is for colours, and {given} is grey", hint="--set pixels=0..1")
    if order == "BGR":
        mean, scale = mean[::-1], scale[::-1]
    return ColourContract(
        width_px=size[0],
        height_px=size[1],
        order=order,  # type: ignore[arg-type]  # one of the question's choices
        layout=layout,  # type: ignore[arg-type]
        dtype="uint8" if given.dtype == "uint8" else "float32",
        mean=_plain(mean),
        scale=_plain(scale),
        fit=fit,  # type: ignore[arg-type]
        align=align,  # type: ignore[arg-type]
        bars=_brightness(bars),
    )


def _one_input(inputs: Sequence[InputFacts]) -> InputFacts:
    if len(inputs) != 1:
        named = ", ".join(map(str, inputs)) or "none"
        raise InputError(
            f"the model has {len(inputs)} inputs ({named}), and this takes models with one picture alone",
            hint=f"{_BY_HAND}, and give the others as other_inputs",
        )
    (given,) = inputs
    if len(given.shape) != 4:
        raise InputError(f"the model takes {given}: no picture in a batch, as [1, 3, 640, 640] is", hint=_BY_HAND)
    if given.dtype not in ("float32", "float16", "float64", "uint8"):
        raise InputError(f"the model takes {given}: no picture of that type", hint="export it with float32")
    return given


def _layout(given: InputFacts) -> str:
    """The layout that a shape shows; empty where it fits both or neither."""
    first, last = given.shape[1] in _CHANNELS, given.shape[3] in _CHANNELS
    return "" if first == last else "NCHW" if first else "NHWC"


def _channels(given: InputFacts, layout: str) -> int:
    return given.shape[1 if layout == "NCHW" else 3]


def _size(given: InputFacts, layout: str, says: ExporterSays, answers: Answers) -> tuple[int, int] | None:
    """Width and height: the shape's, the user's where it leaves them open, or else the exporter's."""
    if not layout:
        return None
    height, width = given.shape[2:] if layout == "NCHW" else given.shape[1:3]
    known = f"{says.size[0]}x{says.size[1]}" if says.size else ""
    text = answers.of(SIZE, f"{width}x{height}" if height and width else known)
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(1 <= side <= _LARGEST_PX for side in size):
        raise InputError(f"size: {text!r} is no width and height in pixels", hint=SIZE.option)
    if any(fixed and fixed != side for fixed, side in zip((width, height), size, strict=True)):
        raise InputError(f"size: the model takes {given}, not {text}", hint="leave --set size out")
    return size


def _brightness(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text) or int(text) > _BRIGHTEST:
        raise InputError(f"bars: {text!r} is no brightness from 0 to 255", hint=BARS.option)
    return int(text)


def _plain(numbers: tuple[float, ...]) -> float | tuple[float, ...]:
    return numbers[0] if len(numbers) == 1 else numbers
