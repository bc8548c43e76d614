"""Does a model take what the recipe says that it takes? Pure."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import EngineError
from edgekit.host.engine.onnx_model import OnnxModel, Tensor, check_fixed
from edgekit.schema.recipe import ColourContract


def expected_shape(contract: ColourContract) -> tuple[int, int, int, int]:
    """The shape of the tensor that a contract describes, batch of one."""
    channels = 1 if contract.order == "GRAY" else 3
    if contract.layout == "NCHW":
        return (1, channels, contract.height_px, contract.width_px)
    return (1, contract.height_px, contract.width_px, channels)


def check_contract(
    path: Path, model: OnnxModel, contract: ColourContract, key: str, *, open_sizes: bool = False
) -> None:
    """Compare a model with its contract.

    Args:
        path: the model's file, for messages.
        model: what the file holds.
        contract: the recipe's words about the input.
        key: where the recipe says them: `models.parts.input`.
        open_sizes: whether sizes that the model leaves open are fixed by the contract later.

    Raises:
        EngineError: more than one input, an input of no fixed size, another shape or type.
    """
    if len(model.inputs) != 1:
        names = ", ".join(map(str, model.inputs)) or "none"
        raise EngineError(f"{path} has {len(model.inputs)} inputs: {names}", hint="export a model with one input")
    given = model.inputs[0]
    wanted = Tensor(name=given.name, dtype=contract.dtype, shape=expected_shape(contract))
    if open_sizes and len(given.shape) == len(wanted.shape):
        shape = tuple(size or fixed for size, fixed in zip(given.shape, wanted.shape, strict=True))
        given = Tensor(name=given.name, dtype=given.dtype, shape=shape)
    check_fixed(path, given)
    if wanted == given:
        return
    raise EngineError(
        f"{path} takes {given}, and {key} describes {wanted}{_guess(given, contract)}",
        hint=f"correct {key} in recipe.toml, or export the model again",
    )


def _guess(given: Tensor, contract: ColourContract) -> str:
    """The likeliest slip behind a wrong shape."""
    batch, channels, height, width = expected_shape(contract)
    if contract.layout == "NHWC":
        channels, height, width = width, channels, height
    shapes = {
        (batch, channels, height, width): "the layout is NCHW",
        (batch, height, width, channels): "the layout is NHWC",
        (batch, channels, width, height): "the layout is NCHW, width and height are swapped",
        (batch, width, height, channels): "the layout is NHWC, width and height are swapped",
    }
    del shapes[expected_shape(contract)]
    if given.shape in shapes:
        return f": {shapes[given.shape]}"
    return ": the type differs" if given.shape == expected_shape(contract) else ""
