"""Reduces a model's inputs to its picture and plain tensors: others are made of it, or constants from the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.model.contract import check_input
from edgekit.host.engine.model.onnx_model import Tensor, inputs_of, tensor_info
from edgekit.host.engine.model.prepare.graphs import free_name, put_in_front, set_constant
from edgekit.host.engine.model.prepare.sizes import fix_sizes
from edgekit.schema.recipe import ColourContract, Model, OtherInput


def find_picture(path: Path, name: str, inputs: tuple[Tensor, ...], model: Model) -> Tensor | None:
    """The input that takes the recipe's `input`: the one that `other_inputs` does not name; None for no picture.

    Args:
        path: the model's file, for messages.
        name: the model's name in the recipe.
        inputs: what the file takes.
        model: the recipe's.

    Raises:
        EngineError: none or several are left, or an input is named that there is not.
    """
    names = ", ".join(map(str, inputs)) or "none"
    unknown = [one for one in model.other_inputs if one not in {tensor.name for tensor in inputs}]
    if unknown:
        raise EngineError(
            f"models.{name}.other_inputs names {unknown[0]}, and {path} has the inputs {names}",
            hint=f"correct models.{name}.other_inputs in recipe.toml",
        )
    left = [tensor for tensor in inputs if tensor.name not in model.other_inputs]
    if model.input is None:
        if left:
            raise EngineError(
                f"{path} takes {names}, and models.{name} says nothing of {left[0].name}",
                hint=f"write models.{name}.other_inputs.{left[0].name} = {{ shape = [...] }} for a plain tensor, "
                f"{{ value = 1.0 }} for a constant, or models.{name}.input for a picture",
            )
        return None
    if len(left) == 1:
        return left[0]
    second = left[-1].name if left else ""
    raise EngineError(
        f"{path} has {len(inputs)} inputs: {names}; models.{name}.input describes one",
        hint=f"describe the others: models.{name}.other_inputs.{second} = {{ value = 1.0 }} for a constant, "
        "{ picture = { ... } } for the same picture in another form, { shape = [...] } for a plain tensor"
        if left
        else "export a model that takes a picture",
    )


def settle_inputs(path: Path, name: str, proto: onnx.ModelProto, model: Model, picture: Tensor | None) -> Iterator[str]:
    """Replace every input but the picture and plain tensors, which get their sizes.

    Args:
        path: the model's file, for messages.
        name: the model's name in the recipe.
        proto: changed in place.
        model: the recipe's.
        picture: the input that takes it; None: it takes none.

    Yields:
        What was changed, for people.

    Raises:
        EngineError: an input does not take what the recipe says.
    """
    graph = proto.graph
    given = {tensor.name: tensor for tensor in inputs_of(proto)}
    nodes: list[onnx.NodeProto] = []
    for one, other in model.other_inputs.items():
        key = f"models.{name}.other_inputs.{one}"
        if other.shape is not None:
            continue
        if other.picture is not None:
            assert picture is not None, "the recipe has no other picture without it"
            check_input(path, given[one], other.picture, f"{key}.picture")
            nodes += _derive(
                graph, picture.name, one, model.contract, _same_picture(key, model.contract, other.picture)
            )
            yield f"input {one} is made of {picture.name}, the same picture"
        else:
            graph.initializer.append(onnx.numpy_helper.from_array(constant_input(path, key, given[one], other), one))
            yield f"input {one} is a constant"
        graph.input.remove(next(value for value in graph.input if value.name == one))
    if nodes:
        put_in_front(graph, nodes)
    for one, shape in model.plain_inputs.items():  # now that what depends on constants can be worked out
        _check_plain(path, f"models.{name}.other_inputs.{one}.shape", given[one], shape)
        yield from fix_sizes(proto, one, shape)


def check_feeds(path: Path, name: str, proto: onnx.ModelProto, model: Model) -> None:
    """Check that what is fed back has the size and type of the input that takes it. Raises EngineError."""
    inputs = {tensor.name: tensor for tensor in inputs_of(proto)}
    outputs = {value.name: tensor_info(value) for value in proto.graph.output}
    for one, output in model.feeds.items():
        key = f"models.{name}.other_inputs.{one}.fed_by"
        if output not in outputs:
            hint = f"write one of {', '.join(outputs)}"
            raise EngineError(f"{key} names {output!r}, which is no output of {path}", hint=hint)
        made, taken = outputs[output], inputs[one]
        if made.dtype != taken.dtype or not _fits(made, taken.shape):
            raise EngineError(
                f"{path} takes {taken}, and {key} is {made}", hint="correct shape, or name another output"
            )


def plain_example(tensor: Tensor, shape: tuple[int, ...], *, fed: bool) -> npt.NDArray[np.generic]:
    """What a plain input is tried with: zeros where it is fed back, else small numbers, the same each time."""
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:
        dtype = np.dtype(np.float32)
    if fed or dtype.kind not in "fiu":
        return np.zeros(shape, dtype)
    random = np.random.default_rng(1)
    numbers = random.normal(0, 0.1, shape) if dtype.kind == "f" else random.integers(0, 2, shape)
    return np.asarray(numbers, dtype)


def _fits(given: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether every size is the wanted one, or open."""
    return len(given.shape) == len(shape) and all(
        size in (0, fixed) for size, fixed in zip(given.shape, shape, strict=True)
    )


def _check_plain(path: Path, key: str, given: Tensor, shape: tuple[int, ...]) -> None:
    if not _fits(given, shape):
        raise EngineError(f"{path} takes {given}, and {key} is {list(shape)}", hint=f"correct {key} in recipe.toml")


def constant_input(
    path: Path, key: str, tensor: Tensor, other: OtherInput
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """The value that the recipe gives an input, in the model's type and shape; open sizes are what the values fill."""
    assert other.value is not None
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.asarray(other.value, np.float64).ravel()
    shape = tuple(size or (1 if index == 0 else -1) for index, size in enumerate(tensor.shape))
    fixed = prod(size for size in shape if size > 0)
    if len(values) == 1 and -1 not in shape:
        values = np.repeat(values, fixed)
    open_sizes = shape.count(-1)
    fits = len(values) == fixed if not open_sizes else open_sizes == 1 and len(values) % fixed == 0
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:
        fits, dtype = False, np.dtype(np.float32)
    if not fits:
        raise EngineError(
            f"{path} takes {tensor}, and {key}.value has {len(values)} numbers",
            hint=f"give as many numbers as {tensor} has, in its order",
        )
    return values.astype(dtype).reshape(shape)


def _same_picture(key: str, first: ColourContract, second: ColourContract) -> ColourContract:
    for field in ("width_px", "height_px", "fit", "align", "bars", "sampling"):
        if getattr(first, field) != getattr(second, field):
            raise EngineError(
                f"{key}.picture differs from the model's input in {field}: a frame is brought to one size only",
                hint="export a model that takes both at one size, and scales the picture itself",
            )
    if "GRAY" in (first.order, second.order) and first.order != second.order:
        raise EngineError(
            f"{key}.picture has order {second.order}, the model's input {first.order}: a frame is one of both",
            hint="export a model that takes both in colour, and makes grey itself",
        )
    return second


def _derive(
    graph: onnx.GraphProto, source: str, target: str, first: ColourContract, second: ColourContract
) -> list[onnx.NodeProto]:
    """Nodes that make one form of a picture of another: pixels first, then the other's mean and scale."""
    nodes: list[onnx.NodeProto] = []
    current = source

    def step(kind: str, *more: str, **attributes: Any) -> None:
        nonlocal current
        made = free_name(graph, f"{target}_{kind.lower()}{len(nodes)}")
        nodes.append(onnx.helper.make_node(kind, [current, *more], [made], name=made, **attributes))
        current = made

    axis = 1 if first.layout == "NCHW" else 3
    shape = [1, -1, 1, 1] if axis == 1 else [1, 1, 1, -1]

    def constant(values: tuple[float, ...]) -> str:
        return set_constant(graph, f"{target}_values{len(nodes)}", np.array(values, np.float32).reshape(shape))

    if first.dtype != "float32":
        step("Cast", to=onnx.TensorProto.FLOAT)
    factor, offset = _linear(first, second)
    if any(value != 1.0 for value in factor):
        step("Mul", constant(factor))
    if any(offset):
        step("Add", constant(offset))
    if first.order != second.order:
        step("Gather", set_constant(graph, f"{target}_order", np.array([2, 1, 0], np.int64)), axis=axis)
    if first.layout != second.layout:
        step("Transpose", perm=[0, 2, 3, 1] if axis == 1 else [0, 3, 1, 2])
    if second.dtype != "float32":
        low, high = (0.0, 255.0) if second.dtype == "uint8" else (-128.0, 127.0)
        limits = [set_constant(graph, f"{target}_{one}", np.array(one, np.float32)) for one in (low, high)]
        step("Round")
        step("Clip", *limits)
        step("Cast", to=onnx.TensorProto.UINT8 if second.dtype == "uint8" else onnx.TensorProto.INT8)
    step("Identity")
    nodes[-1].output[0] = target
    return nodes


def _linear(first: ColourContract, second: ColourContract) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Factor and offset of each channel from one contract's values to the other's, in the first one's order."""
    gains, offsets = second.gains, second.offsets
    if first.order != second.order:
        gains, offsets = gains[::-1], offsets[::-1]
    factor = tuple(after / before for before, after in zip(first.gains, gains, strict=True))
    offset = tuple(after - before * by for before, after, by in zip(first.offsets, offsets, factor, strict=True))
    return factor, offset
