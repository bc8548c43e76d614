"""The pass from a user's model to the one that engines are made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import EdgekitError, EngineError
from edgekit.host.engine.model.contract import check_input
from edgekit.host.engine.model.faults import find_faults
from edgekit.host.engine.model.onnx_model import (
    OnnxModel,
    Tensor,
    check_graph,
    check_sound,
    describe,
    inputs_of,
    load_onnx,
)
from edgekit.host.engine.model.prepare import edge, proof
from edgekit.host.engine.model.prepare.functions import inline_functions
from edgekit.host.engine.model.prepare.inputs import (
    check_feeds,
    constant_input,
    find_picture,
    plain_example,
    settle_inputs,
)
from edgekit.host.engine.model.prepare.operators import expand_operators, keep_reduced_axes, plain_constants
from edgekit.host.engine.model.prepare.opset import RKNN_MAX_OPSET, lower_opset
from edgekit.host.engine.model.prepare.precision import to_single
from edgekit.host.engine.model.prepare.quantised import check_precision
from edgekit.host.engine.model.prepare.sizes import fix_sizes, name_outputs, settle_sizes
from edgekit.host.engine.pictures.read import read_pictures
from edgekit.schema.recipe import Model
from edgekit.schema.target import AcceleratorKind
from edgekit.schema.units import counted

_PROOF_PICTURES = 2
WEIGHTS_BESIDE = "weights read from beside the file"
"""Among the notes of a model that keeps weights in other files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model that engines can be made from: a picture's input of fixed size, float32, all in one piece."""

    data: bytes
    """The ONNX model, whole."""
    onnx: OnnxModel
    """What it is."""
    model: Model
    """The recipe's, its `input` being what this model takes."""
    notes: tuple[str, ...] = ()
    """What was rewritten; empty where it is the user's file, byte for byte."""
    unproven: tuple[proof.Side, proof.Side] | None = None
    """Both models; see `prove_rewrite`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """The user's model, and what is wanted of it."""

    path: Path
    name: str
    model: Model
    backend: AcceleratorKind
    proto: onnx.ModelProto
    data: bytes
    picture: Tensor | None
    """The input that takes the picture, as the file has it; None: it takes none."""


def prepare(path: Path, name: str, model: Model, backend: AcceleratorKind) -> Prepared:
    """Bring a model to what the recipe says and a backend takes. The same inputs give the same bytes.

    Args:
        path: the user's ONNX file.
        name: the model's name in the recipe.
        model: the recipe's.
        backend: what will make the engine.

    Raises:
        EngineError: it is no model, does not take what the recipe says, or cannot be brought to it.
    """
    try:
        return _prepare(path, name, model, backend)
    except (EdgekitError, MemoryError):
        raise
    except Exception as error:  # onnx, protobuf and numpy have no class in common for what is not what it says
        if _is_sound(path):
            raise
        message = f"{path} is damaged: a part of it is not what it says"
        raise EngineError(message, hint="export it again", details=str(error)) from None


def _is_sound(path: Path) -> bool:
    try:
        return not find_faults(load_onnx(path)[0])
    except MemoryError:
        raise
    except Exception:  # as above
        return False


def _prepare(path: Path, name: str, model: Model, backend: AcceleratorKind) -> Prepared:
    proto, data = load_onnx(path)
    check_graph(path, proto)
    check_precision(path, name, proto, model)
    picture = find_picture(path, name, inputs_of(proto), model)
    given = _Given(path=path, name=name, model=model, backend=backend, proto=proto, data=data, picture=picture)
    made, notes = _rewrite(given)
    _check(given, made)
    if not notes:
        return Prepared(data=data, onnx=describe(proto, data), model=model)
    recipe = model
    if backend == "rknn":
        recipe = dataclasses.replace(
            model, input=dataclasses.replace(model.contract, layout="NCHW", dtype="float32", batch=1)
        )
    output = made.SerializeToString(deterministic=True)
    described = describe(made, output)
    return Prepared(
        data=output,
        onnx=described,
        model=recipe,
        notes=tuple(notes),
        unproven=(_given_side(given), _made_side(given, output, described, recipe)),
    )


def prove_rewrite(path: Path, prepared: Prepared, pictures: tuple[Path, ...]) -> str:
    """Run the user's model and the rewritten one; see `proof.prove`.

    Args:
        path: the user's ONNX file, for messages.
        prepared: of it.
        pictures: some that the recipe names; where there are none, noise stands in.

    Raises:
        EngineError: they do not answer alike.
    """
    if prepared.unproven is None:
        return ""
    given, made = prepared.unproven
    if given.contract is None:
        return proof.prove(path, given, made, proof.NO_PICTURE)
    shown = read_pictures(pictures[:_PROOF_PICTURES], given.contract)
    return proof.prove(path, given, made, shown if len(shown) else proof.noise(given.contract))


def _rewrite(given: _Given) -> tuple[onnx.ModelProto, list[str]]:
    """All rewrites, in the order in which each finds what it needs."""
    path, name, model = given.path, given.name, given.model
    made = onnx.ModelProto()
    made.CopyFrom(given.proto)
    notes = [WEIGHTS_BESIDE] if path.stat().st_size != len(given.data) else []
    if made.functions:
        notes.append(f"{counted(len(made.functions), 'function')} put in place of calls")
        made = inline_functions(made)
    notes += to_single(made)
    notes += settle_inputs(path, name, made, model, given.picture)
    if given.picture is not None:
        contract = model.contract
        there = next(tensor for tensor in inputs_of(made) if tensor.name == given.picture.name)
        check_input(path, there, contract, f"models.{name}.input")
        batch = 1 if given.backend == "rknn" else contract.batch
        notes += fix_sizes(made, there.name, (batch, *contract.tensor_shape[1:]))
    notes += name_outputs(made)
    check_feeds(path, name, made, model)
    if given.picture is not None:
        notes += _for_backend(given, given.picture.name, made)
    return made, notes


def _for_backend(given: _Given, name: str, made: onnx.ModelProto) -> Iterator[str]:
    contract = given.model.contract
    if given.backend != "onnxruntime" and given.model.plain_inputs:
        plain = next(iter(given.model.plain_inputs))
        raise EngineError(
            f"{given.path} takes the plain tensor {plain} beside its picture, and engines of {given.backend} take "
            "pictures alone",
            hint=f"give {plain} a value in models.{given.name}.other_inputs, or build for a board whose CPU runs it",
        )
    if given.backend != "onnxruntime" and contract.quantised is not None:
        raise EngineError(
            f"{given.path} takes quantised {contract.dtype} as {name}, and engines of {given.backend} take pictures "
            "as float32 or plain uint8",
            hint='give the float model that it was made from: the accelerator\'s own int8 is precision = "int8"',
        )
    if given.backend == "rknn":
        yield from expand_operators(made)
        yield from lower_opset(made, RKNN_MAX_OPSET, "the RKNN toolkit", given.path)
        if contract.dtype == "uint8":
            yield from edge.take_floats(made, name)
        if contract.layout == "NHWC":
            yield from edge.take_planes(made, name)
    elif given.backend == "tensorrt" and contract.dtype == "uint8":
        yield from edge.cast_at_once(made, name)
    if given.backend != "onnxruntime":
        yield from settle_sizes(made)
    if given.backend == "rknn":
        yield from plain_constants(made)
        yield from keep_reduced_axes(made)


def _check(given: _Given, made: onnx.ModelProto) -> None:
    """Refuse what contradicts itself: the user's own model first, then the one of the recipe's size."""
    faults = find_faults(made)
    if not faults:
        return
    check_sound(given.path, given.proto)
    key = f"models.{given.name}.{'input' if given.picture is not None else 'other_inputs'}"
    taken = ", ".join(map(str, inputs_of(given.proto)))
    raise EngineError(
        f"{given.path} takes {taken}, and at the size of {key} it contradicts itself: {faults[0]}",
        hint=proof.size_hint(key, given.model.input.batch if given.model.input else 1),
        details="\n".join(faults[1:]),
    )


def _given_side(given: _Given) -> proof.Side:
    tensors = {tensor.name: tensor for tensor in inputs_of(given.proto)}
    others, derived = {}, {}
    for one, other in given.model.other_inputs.items():
        if other.picture is not None:
            derived[one] = other.picture
        elif other.shape is not None:
            others[one] = plain_example(tensors[one], other.shape, fed=other.fed_by is not None)
        else:
            key = f"models.{given.name}.other_inputs.{one}"
            others[one] = constant_input(given.path, key, tensors[one], other)
    shape = given.picture.shape if given.picture is not None else ()
    return proof.Side(
        data=given.data,
        picture=given.picture.name if given.picture is not None else "",
        contract=given.model.input,
        batch=shape[0] if shape and shape[0] else 1,
        others=others,
        derived=derived,
    )


def _made_side(given: _Given, data: bytes, described: OnnxModel, recipe: Model) -> proof.Side:
    taken = {tensor.name: tensor for tensor in described.inputs}
    picture = given.picture.name if given.picture is not None else ""
    batch = (taken[picture].shape[0] or 1) if picture else 1
    others = plain_examples(described, recipe)
    return proof.Side(data=data, picture=picture, contract=recipe.input, batch=batch, others=others, derived={})


def plain_examples(described: OnnxModel, recipe: Model) -> dict[str, npt.NDArray[np.generic]]:
    """What the plain inputs of a prepared model are tried with, by name."""
    taken = {tensor.name: tensor for tensor in described.inputs}
    return {
        one: plain_example(taken[one], shape, fed=one in recipe.feeds) for one, shape in recipe.plain_inputs.items()
    }
