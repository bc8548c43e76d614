"""Gives a model the one size that it will run at: its input's, and with it every size that follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx

from edgekit.host.engine.model.onnx_model import tensor_info
from edgekit.host.engine.model.prepare.constants import fold_constants
from edgekit.host.engine.model.prepare.graphs import constant_of, set_constant
from edgekit.host.engine.model.reference import open_session, run_once
from edgekit.schema.units import counted

_SHAPED = {"Reshape": 1, "Expand": 1}
"""Operators that are given a shape as a tensor, and where: an export at a batch of 4 has a 4 in it."""


def fix_sizes(model: onnx.ModelProto, name: str, shape: Sequence[int]) -> Iterator[str]:
    """Set an input's sizes, and work out what follows.

    Args:
        model: changed in place.
        name: the input's.
        shape: what it shall be; where the model has a fixed size it is the same, but for the batch.

    Yields:
        What was changed, for people.
    """
    value = next(value for value in model.graph.input if value.name == name)
    before = tensor_info(value)
    if before.shape == tuple(shape):
        return
    given = _dims(value)
    if before.shape and before.shape[0] > 1:
        _batch(model, before.shape[0], shape[0])
    del value.type.tensor_type.shape.dim[:]
    for size in shape:
        value.type.tensor_type.shape.dim.add().dim_value = size
    forget_sizes(model)
    yield f"input {name} fixed from [{', '.join(given)}] to [{', '.join(map(str, shape))}]"
    yield from settle_sizes(model)


def name_outputs(model: onnx.ModelProto) -> Iterator[str]:
    """Record the sizes of outputs that have none: valid ONNX must have them, and hand-made graphs do not."""
    missing = _without_sizes(model)
    if not missing:
        return
    infer(model)
    if unknown := _without_sizes(model):
        _measure(model, unknown)
    yield f"sizes of {', '.join(value.name for value in missing)} written down"


def _without_sizes(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    return [
        value
        for value in model.graph.output
        if value.type.WhichOneof("value") in (None, "tensor_type") and not value.type.tensor_type.HasField("shape")
    ]


def _measure(model: onnx.ModelProto, unknown: Sequence[onnx.ValueInfoProto]) -> None:
    """Write down the sizes that outputs have in two runs, those that differ as open: operators that ONNX does not
    know, ONNX Runtime's own among them, tell nobody before. A model that does not run is left as it is, and so is an
    output that has another number of sizes each time."""
    runs = []
    try:
        session = open_session(model.SerializeToString(), optimised=False)
        taken = {value.name for value in session.get_inputs()}
        given = {value.name: value.type.tensor_type for value in model.graph.input if value.name in taken}
        for fill in (0, 1):
            inputs = {
                name: np.full(
                    [size.dim_value for size in one.shape.dim],
                    fill,
                    onnx.helper.tensor_dtype_to_np_dtype(one.elem_type),
                )
                for name, one in given.items()
            }
            runs.append(run_once(session, [value.name for value in unknown], inputs))
    except Exception:  # onnxruntime's errors share no class of their own; whoever runs it next says it in words
        return
    for value, first, second in zip(unknown, *runs, strict=True):
        shapes = (np.shape(first), np.shape(second))
        if len(shapes[0]) != len(shapes[1]):
            continue
        value.type.tensor_type.shape.Clear()
        value.type.tensor_type.shape.SetInParent()
        for size, other in zip(*shapes, strict=True):
            dimension = value.type.tensor_type.shape.dim.add()
            if size == other:
                dimension.dim_value = size


def settle_sizes(model: onnx.ModelProto) -> Iterator[str]:
    """Replace computed sizes by constants, and record the size of every tensor that is known."""
    count = fold_constants(model)
    if count:
        yield f"{counted(count, 'node')} made constant: the picture does not matter to them"
    infer(model)


def forget_sizes(model: onnx.ModelProto) -> None:
    """Remove recorded sizes of inner tensors and outputs, which held for another input size."""
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")


def infer(model: onnx.ModelProto) -> None:
    """Write inferred sizes into a model, as far as they can be known; what contradicts itself is left for `faults`."""
    try:
        known = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError):
        return
    del model.graph.value_info[:]
    model.graph.value_info.extend(known.value_info)
    for output, found in zip(model.graph.output, known.output, strict=True):
        output.CopyFrom(found)


def _dims(value: onnx.ValueInfoProto) -> list[str]:
    """Sizes as the model has them: numbers, names, or a question mark."""
    return [str(size.dim_param or size.dim_value or "?") for size in value.type.tensor_type.shape.dim]


def _batch(model: onnx.ModelProto, before: int, after: int) -> None:
    """Shapes that were exported for a batch of several are for another; the proof shows whether that was right."""
    for node in model.graph.node:
        index = _SHAPED.get(node.op_type)
        if index is None or len(node.input) <= index:
            continue
        shape = constant_of(model.graph, node.input[index])
        if shape is not None and shape.ndim == 1 and len(shape) > 1 and shape[0] == before:
            changed = shape.copy()
            changed[0] = after
            node.input[index] = set_constant(model.graph, f"{node.input[index]}_{after}", changed)
