"""Measures, layer by layer, how far a quantised model is from the float one: where its error starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.host.engine.model.reference import answers_of_bytes
from edgekit.host.engine.verify.agreement import compare
from edgekit.host.engine.verify.verdict import LayerError

_DEQUANTISED = "_DequantizeLinear_Output"
"""Behind the name of a tensor after its Q/DQ pair, which also does what a ReLU before it did."""


def compare_layers(model: Path, quantised: Path, tensor: npt.NDArray[np.generic]) -> tuple[LayerError, ...]:
    """Run both with every layer's output among the outputs.

    Args:
        model: the float model.
        quantised: the same with Q/DQ nodes; layers that were fused away are left out.
        tensor: inputs, [frames, ...].

    Returns:
        Layers in the float model's order. `cosine_alone` is a layer's own loss: its cosine over that of what it takes.
    """
    plain, made = onnx.load(model), onnx.load(quantised)
    made_here = {name for node in made.graph.node for name in node.output}
    there = {name.removesuffix(_DEQUANTISED): name for name in sorted(made_here)}
    names = [name for node in plain.graph.node for name in node.output if name in there]
    want = _with_outputs(plain, names, tensor, model)
    seen = _with_outputs(made, [there[name] for name in names], tensor, model)
    got = {name: seen[there[name]] for name in names}
    shared = [name for name in names if name in want and want[name].dtype.kind == "f"]
    cosines = {
        one.output: one.cosine_min
        for one in compare({name: want[name] for name in shared}, {name: got[name] for name in shared})
    }
    return tuple(_errors(plain, cosines))


def _with_outputs(
    model: onnx.ModelProto, names: list[str], tensor: npt.NDArray[np.generic], path: Path
) -> dict[str, npt.NDArray[np.generic]]:
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    return answers_of_bytes(model.SerializeToString(), tensor, path)


def _errors(model: onnx.ModelProto, cosines: dict[str, float]) -> list[LayerError]:
    found, worst = [], dict.fromkeys((value.name for value in model.graph.input), 1.0)
    for node in model.graph.node:
        before = min((worst[name] for name in node.input if name in worst), default=1.0)
        for name in node.output:
            worst[name] = cosines.get(name, before)
            if name in cosines:
                alone = min(1.0, cosines[name] / before) if before > 0 else 0.0
                found.append(LayerError(kind=node.op_type, name=name, cosine=cosines[name], cosine_alone=alone))
    return found
