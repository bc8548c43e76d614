"""Proves a rewrite: the model as the user has it and the one that engines are made from answer alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.model.reference import open_session
from edgekit.host.engine.model.runtime_words import runtime_words
from edgekit.imaging.conversion import tensors_of
from edgekit.imaging.image import Pixels
from edgekit.schema.recipe import ColourContract

_RELATIVE, _HALF = 1e-3, 3e-2
"""Largest difference over the output's largest value. Rewrites only move rounding; float16's own is a thousand times
float32's, and a model that was exported in it answers with that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A model, and what it is given."""

    data: bytes
    picture: str
    """The input that takes the picture; empty: none does."""
    contract: ColourContract | None
    batch: int = 1
    """How many frames it takes at once: the same one each time."""
    others: Mapping[str, npt.NDArray[np.generic]]
    """Its other inputs: constants, and examples of plain tensors."""
    derived: Mapping[str, ColourContract]
    """And those that take the same picture in another form."""


def size_hint(key: str, batch: int) -> str:
    """What to do where a model does not take inputs of the recipe's size; `key` names them, `batch` is the recipe's."""
    other = f", or leave batch = {batch} out: it may take one picture at a time" if batch > 1 else ""
    return f"give {key} the size that it was exported for, or export it with that size fixed{other}"


def prove(path: Path, given: Side, made: Side, pictures: Pixels) -> str:
    """Run both on pictures.

    Args:
        path: the model's file, for messages.
        given: the user's.
        made: the rewritten one.
        pictures: uint8[count, height, width, channels].

    Returns:
        Why they could not be compared; empty where they answer alike.

    Raises:
        EngineError: they do not, or the rewritten one does not run.
    """
    found = _answers(made, pictures)
    if isinstance(found, str):
        contract = given.contract
        size = (
            f"with a picture of {contract.width_px}x{contract.height_px}" if contract else "with inputs of those sizes"
        )
        raise EngineError(
            f"{path} does not run {size}: {found}",
            hint=size_hint("the input in recipe.toml", contract.batch if contract else 1),
        )
    expected = _answers(given, pictures)
    if isinstance(expected, str):
        return f"as exported it does not run here: {expected}"
    tolerance = _HALF if _is_half(given.data) else _RELATIVE
    for wanted, answered in zip(expected, found, strict=True):
        for name, want in wanted.items():
            first, second = _of_one(want, given.batch), _of_one(answered[name], made.batch)
            difference = _difference(first, second, tolerance)
            if difference:
                raise _differs(path, f"output {name} {difference}")
    return ""


NO_PICTURE: Pixels = np.zeros((1, 0, 0, 3), np.uint8)
"""Of a model that takes none: it is run once."""


def noise(contract: ColourContract) -> Pixels:
    """A picture of noise, the same each time: where the recipe has no pictures."""
    shape = (1, contract.height_px, contract.width_px, contract.channels)
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def _answers(side: Side, pictures: Pixels) -> list[dict[str, npt.NDArray[np.generic]]] | str:
    """Outputs by name for each picture, whose sizes may differ; or the reason why there are none."""
    try:
        session = open_session(side.data)
        types = {one.name: _TYPES.get(one.type, np.float32) for one in session.get_inputs()}
        names = [output.name for output in session.get_outputs()]
        runs = [session.run(names, _inputs(side, types, picture[None])) for picture in pictures]
    except Exception as error:  # onnxruntime's errors share no class of their own
        return runtime_words(error)
    return [{name: np.asarray(made) for name, made in zip(names, run, strict=True)} for run in runs]


_TYPES = {
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}


def _inputs(side: Side, types: Mapping[str, Any], picture: Pixels) -> dict[str, npt.NDArray[np.generic]]:
    if side.contract is None:
        return dict(side.others)
    read, pictures = side.contract, {side.picture: side.contract, **side.derived}
    tensors = {
        name: tensors_of(_in_order(picture, read, contract), contract).astype(types[name])
        for name, contract in pictures.items()
    }
    fed = {name: np.repeat(tensor, side.batch, axis=0) for name, tensor in tensors.items()}
    return {**fed, **side.others}


def _in_order(picture: Pixels, read: ColourContract, wanted: ColourContract) -> Pixels:
    """A picture that was read for one contract as another has its channels."""
    return picture if read.order == wanted.order else picture[..., ::-1]


def _of_one(output: npt.NDArray[np.generic], batch: int) -> npt.NDArray[np.generic]:
    """Of a batch the first frame's."""
    return output[:1] if batch > 1 and output.ndim and output.shape[0] == batch else output


def _difference(want: npt.NDArray[np.generic], got: npt.NDArray[np.generic], tolerance: float) -> str:
    """How an output differs; empty where it does not."""
    if want.shape != got.shape:
        return f"has the shape {list(got.shape)} instead of {list(want.shape)}"
    if want.dtype.kind not in "fiub" or not want.size:
        return ""
    first, second = want.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(first)
    if not np.array_equal(finite, np.isfinite(second)):
        return "is infinite where it was a number, or the other way round"
    off = float(np.abs(first - second)[finite].max(initial=0.0))
    reach = float(np.abs(first[finite]).max(initial=0.0))
    return f"is off by {off:.3g}, its largest value is {reach:.3g}" if off > tolerance * reach else ""


def _is_half(data: bytes) -> bool:
    halves = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    return any(tensor.data_type in halves for tensor in onnx.load_model_from_string(data).graph.initializer)


def _differs(path: Path, how: str) -> EngineError:
    return EngineError(
        f"{path}: brought to one picture of the recipe's size, it does not answer as exported: {how}",
        hint="export it with a batch of 1 and the input's size fixed",
    )
