"""Checks that a model's input is what the recipe says. Pure."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import EngineError
from edgekit.host.engine.model.onnx_model import Tensor
from edgekit.schema.recipe import ColourContract

_TYPES = frozenset({"float32", "uint8", "int8"})


def check_input(path: Path, given: Tensor, contract: ColourContract, key: str) -> None:
    """Compare an input with its contract. Sizes that the model leaves open are the contract's, and so is the batch.

    Args:
        path: the model's file, for messages.
        given: the input.
        contract: the recipe's words about it.
        key: where the recipe says them: `models.parts.input`.

    Raises:
        EngineError: it has another shape or type; the message says what to write where that can be known.
    """
    wanted = Tensor(name=given.name, dtype=contract.dtype, shape=contract.tensor_shape)
    fits = _fits(given.shape, wanted.shape)
    if fits and given.dtype == wanted.dtype:
        return
    slip, cure = _slip(given, contract, fits=fits)
    raise EngineError(
        f"{path} takes {given}, and {key} describes {wanted}{slip and f': {slip}'}",
        hint=cure.format(key=key) if cure else f"correct {key} in recipe.toml, or export the model again",
    )


def _fits(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether every size is the wanted one, or open; the first is the batch, and any will do."""
    if not given:
        return True
    return len(given) == len(wanted) and all(
        size in (0, fixed) for size, fixed in zip(given[1:], wanted[1:], strict=True)
    )


def _slip(given: Tensor, contract: ColourContract, *, fits: bool) -> tuple[str, str]:
    """The likeliest slip behind a difference, and what to write."""
    if fits:
        return _type_slip(given)
    if len(given.shape) == 3:
        return "it has no batch", "export it with a batch of 1"
    height, width, channels = contract.height_px, contract.width_px, contract.channels
    for count, order in ((channels, ""), (1, "GRAY"), (3, "RGB")):
        shapes = {
            "the layout is NCHW": (1, count, height, width),
            "the layout is NHWC": (1, height, width, count),
            "the layout is NCHW, width and height are swapped": (1, count, width, height),
            "the layout is NHWC, width and height are swapped": (1, width, height, count),
        }
        for words, shape in shapes.items():
            if shape != contract.tensor_shape and _fits(given.shape, shape) and given.shape:
                return _shape_slip(words, order, contract)
    return "", ""


def _shape_slip(words: str, order: str, contract: ColourContract) -> tuple[str, str]:
    layout = "NHWC" if "NHWC" in words else "NCHW"
    writes = [f'layout = "{layout}"'] if layout != contract.layout else []
    if "swapped" in words:
        writes += [f"width_px = {contract.height_px}", f"height_px = {contract.width_px}"]
    if order:
        writes += [f'order = "{order}"']
        words += ", and it is grey" if order == "GRAY" else ", and it is coloured"
    return words, f"write {', '.join(writes)} in {{key}}"


def _type_slip(given: Tensor) -> tuple[str, str]:
    if given.dtype not in _TYPES:
        types = "float32, uint8 or int8"
        return f"the type differs: pictures come as {types}, not as {given.dtype}", "export it with float32"
    if given.dtype == "int8":
        return (
            "the type differs",
            'write dtype = "int8" in {key}, and quantised = {{ scale, zero_point }} as the model has',
        )
    if given.dtype == "uint8":
        return "the type differs", 'write dtype = "uint8" in {key}, and leave scale and mean out: it takes pixels'
    return "the type differs", 'write dtype = "float32" in {key}'
