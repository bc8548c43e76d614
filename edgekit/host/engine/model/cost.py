"""Whether every run of a model costs the same, whatever its input shows."""

from __future__ import annotations

import onnx


def cost_varies(model: onnx.ModelProto) -> bool:
    """Whether time and memory of a run may depend on the input's content: by a loop, or by a size that it decides.

    What a model says of its own sizes is forgotten, and those that follow from its operators count alone.

    Args:
        model: with one fixed size of its input; sizes that it records are removed.
    """
    graph = model.graph
    if any(attribute.HasField("g") or attribute.graphs for node in graph.node for attribute in node.attribute):
        return True
    graph.ClearField("value_info")
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        known = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError):
        return True
    sized = {value.name for value in (*known.value_info, *known.output) if _has_size(value.type)}
    return any(name and name not in sized for node in graph.node for name in node.output)


def _has_size(kind: onnx.TypeProto) -> bool:
    tensor = kind.tensor_type
    return tensor.HasField("shape") and all(size.HasField("dim_value") for size in tensor.shape.dim)
