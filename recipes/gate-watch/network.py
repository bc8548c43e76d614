"""The detector as a table of layers: train.py trains, and model.onnx is written, from the same rows.

Outputs are laid out as YOLOv8's: float32[1, 4 + classes, anchors], middle and size in pixels of the input, then a
score for each class. Only convolutions, ReLU, additions and doubling: every accelerator takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from actors import CLASSES
from onnx import TensorProto, helper, numpy_helper

INPUT_PX = (320, 192)
STRIDES_PX = (8, 16, 32)
Weights = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Of each convolution: kernel float32[out, in / groups, rows, columns] and bias float32[out]."""


@dataclass(frozen=True)
class Conv:
    name: str
    source: str
    taken: int
    given: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    relu: bool = True


@dataclass(frozen=True)
class Add:
    name: str
    one: str
    other: str


@dataclass(frozen=True)
class Double:
    """Each pixel becomes four."""

    name: str
    source: str


Layer = Conv | Add | Double


def table() -> tuple[Layer, ...]:
    """All layers in order. `box8` and `class8` are the heads at stride 8, and so on."""
    rows: list[Layer] = [Conv("stem", "images", 3, 10, stride=2), Conv("early", "stem", 10, 16, stride=2)]

    def separable(name: str, source: str, taken: int, given: int, stride: int = 1) -> str:
        rows.append(Conv(f"{name}.depth", source, taken, taken, stride=stride, groups=taken))
        rows.append(Conv(name, f"{name}.depth", taken, given, kernel=1))
        return name

    def residual(name: str, source: str, channels: int) -> str:
        rows.append(Add(name, separable(f"{name}.in", source, channels, channels), source))
        return name

    four = residual("four", "early", 16)
    rows.append(Conv("to8", four, 16, 40, stride=2))
    eight = residual("eight2", residual("eight1", "to8", 40), 40)
    sixteen = residual("sixteen2", residual("sixteen1", separable("to16", eight, 40, 96, 2), 96), 96)
    last = residual("last2", residual("last1", separable("to32", sixteen, 96, 128, 2), 128), 128)
    rows += [Conv("last.side", last, 128, 64, kernel=1), Conv("sixteen.side", sixteen, 96, 64, kernel=1)]
    rows += [Double("last.up", "last.side"), Add("sixteen.sum", "sixteen.side", "last.up")]
    rows += [Conv("eight.side", eight, 40, 40, kernel=1)]
    middle = residual("middle", "sixteen.sum", 64)
    rows += [Conv("middle.side", middle, 64, 40, kernel=1), Double("middle.up", "middle.side")]
    rows += [Add("eight.sum", "eight.side", "middle.up")]
    for stride, source, taken in ((8, "eight.sum", 40), (16, middle, 64), (32, "last.side", 64)):
        trunk = separable(f"trunk{stride}", source, taken, 48)
        for head, given in (("box", 4), ("class", len(CLASSES))):
            own = separable(f"{head}{stride}.in", trunk, 48, 32)
            rows.append(Conv(f"{head}{stride}", own, 32, given, kernel=1, relu=False))
    return tuple(rows)


def anchors() -> tuple[np.ndarray, np.ndarray]:
    """Where each anchor stands, in cells, and its stride: float32[2, anchors] and float32[1, anchors]."""
    places, strides = [], []
    for stride in STRIDES_PX:
        rows, columns = np.mgrid[0 : INPUT_PX[1] // stride, 0 : INPUT_PX[0] // stride]
        places.append(np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5]))
        strides.append(np.full((1, rows.size), stride))
    return np.concatenate(places, 1).astype(np.float32), np.concatenate(strides, 1).astype(np.float32)


def multiplications() -> int:
    """Of one picture."""
    scale: dict[str, int] = {"images": 1}
    total = 0
    for layer in table():
        match layer:
            case Conv():
                scale[layer.name] = scale[layer.source] * layer.stride
                area = INPUT_PX[0] * INPUT_PX[1] // scale[layer.name] ** 2
                total += area * layer.given * layer.taken // layer.groups * layer.kernel**2
            case Add():
                scale[layer.name] = scale[layer.one]
            case Double():
                scale[layer.name] = scale[layer.source] // 2
    return total


class _Graph:
    """Nodes and constants of the file to be."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, sources: list[str], name: str, **options: object) -> str:
        self.nodes.append(helper.make_node(kind, sources, [name], name=f"{kind}_{name}", **options))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def export(weights: Weights, file: Path) -> None:
    """Written node by node, so that the file holds nothing that differs from one exporter to the next."""
    graph = _Graph()
    scales = graph.constant("doubling", np.array([1, 1, 2, 2], np.float32))
    for layer in table():
        match layer:
            case Conv():
                _convolution(graph, layer, weights[layer.name])
            case Add():
                graph.add("Add", [layer.one, layer.other], layer.name)
            case Double():
                options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
                graph.add("Resize", [layer.source, "", scales], layer.name, **options)
    _decode(graph)
    count = anchors()[0].shape[1]
    shape = [1, 4 + len(CLASSES), count]
    made = helper.make_graph(
        graph.nodes,
        "street",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, INPUT_PX[1], INPUT_PX[0]])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)],
        graph.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], producer_name="edgekit")
    model.ir_version = 8
    names = "{" + ", ".join(f"{number}: '{name}'" for number, name in enumerate(CLASSES)) + "}"
    said = {"task": "detect", "stride": str(STRIDES_PX[-1]), "imgsz": str([INPUT_PX[1], INPUT_PX[0]]), "names": names}
    helper.set_model_props(model, said)  # as Ultralytics writes them
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString(deterministic=True))


def _convolution(graph: _Graph, layer: Conv, weights: tuple[np.ndarray, np.ndarray]) -> None:
    kernel, bias = weights
    inputs = [layer.source, graph.constant(f"{layer.name}.weight", kernel), graph.constant(f"{layer.name}.bias", bias)]
    shape = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": [layer.kernel // 2] * 4}
    out = f"{layer.name}.sum" if layer.relu else layer.name
    graph.add("Conv", inputs, out, group=layer.groups, **shape)
    if layer.relu:
        graph.add("Relu", [out], layer.name)


def _decode(graph: _Graph) -> None:
    """Distances from each anchor to left, top, right and bottom become middle and size."""
    places, strides = anchors()
    flat: dict[str, list[str]] = {"box": [], "class": []}
    for stride in STRIDES_PX:
        for head, given in (("box", 4), ("class", len(CLASSES))):
            shape = graph.constant(f"{head}{stride}.shape", np.array([1, given, -1], np.int64))
            flat[head].append(graph.add("Reshape", [f"{head}{stride}", shape], f"{head}{stride}.flat"))
    graph.add("Concat", flat["box"], "distances.raw", axis=2)
    graph.add("Concat", flat["class"], "logits", axis=2)
    graph.add("Relu", ["distances.raw"], "distances")
    sizes = graph.constant("halves", np.array([2, 2], np.int64))
    graph.nodes.append(
        helper.make_node("Split", ["distances", sizes], ["lead", "trail"], name="Split_distances", axis=1)
    )
    graph.add("Sub", ["trail", "lead"], "shift")
    graph.add("Mul", ["shift", graph.constant("half", np.array(0.5, np.float32))], "shift.half")
    graph.add("Add", ["shift.half", graph.constant("anchors", places[None])], "middle.cells")
    graph.add("Add", ["lead", "trail"], "size.cells")
    graph.add("Concat", ["middle.cells", "size.cells"], "boxes.cells", axis=1)
    graph.add("Mul", ["boxes.cells", graph.constant("strides", strides[None])], "boxes")
    graph.add("Sigmoid", ["logits"], "scores")
    graph.add("Concat", ["boxes", "scores"], "output0", axis=1)
