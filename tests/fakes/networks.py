"""Small networks with random weights: a classifier, a detector, and the same detector with all in one output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Network:
    """Builds a graph node by node; each method returns the name of what it makes."""

    def __init__(self, seed: int) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(seed)
        self._convolutions = 0

    def constant(self, array: np.ndarray, name: str) -> str:
        self._weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def ints(self, array: np.ndarray, name: str) -> str:
        """Sizes, places and axes."""
        self._weights.append(numpy_helper.from_array(array.astype(np.int64), name))
        return name

    def nodes(self, inputs: list[str], outputs: list[str], kind: str, **attributes: object) -> list[str]:
        """A node that makes several things."""
        self._nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs

    def convolution(self, source: str, given: int, made: int, *, size=3, stride=1, groups=1, relu=True) -> str:
        self._convolutions += 1
        name = f"conv{self._convolutions}"
        inner = given // groups * size * size
        weights = self._random.standard_normal((made, given // groups, size, size)) * np.sqrt(2 / inner)
        inputs = [source, self.constant(weights, f"{name}.weight")]
        inputs.append(self.constant(self._random.standard_normal(made) * 0.1, f"{name}.bias"))
        self.node("Conv", inputs, name, strides=[stride] * 2, pads=[size // 2] * 4, group=groups)
        return self.node("Relu", [name], f"{name}.relu") if relu else name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        domain = attributes.pop("domain", "")
        self._nodes.append(helper.make_node(kind, inputs, [output], output, domain=domain, **attributes))
        return output

    def model(self, shape: tuple, outputs: dict[str, tuple], opset: int = 17) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, made) for name, made in outputs.items()],
            self._weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def classifier(opset: int = 17, *, width: int = 1, size: int = 64) -> onnx.ModelProto:
    """Like MobileNet: depthwise and pointwise convolutions, pooling, a linear layer. 1x3x64x64 to 10 logits."""
    net = Network(1)
    last = net.convolution("images", 3, 16 * width, stride=2)
    for given, made in ((16 * width, 24 * width), (24 * width, 32 * width), (32 * width, 64 * width)):
        last = net.convolution(last, given, given, stride=2, groups=given)
        last = net.convolution(last, given, made, size=1)
    net.node("GlobalAveragePool", [last], "pool")
    net.node("Flatten", ["pool"], "flat")
    weight = net.constant(np.random.default_rng(2).standard_normal((10, 64 * width)) * 0.2, "linear.weight")
    net.node("Gemm", ["flat", weight, net.constant(np.zeros(10), "linear.bias")], "logits", transB=1)
    return net.model((1, 3, size, size), {"logits": (1, 10)}, opset)


def reader(signs: int = 12) -> onnx.ModelProto:
    """Like PaddleOCR's: a picture of one line, of any width, to a score for each sign and none at each step."""
    net = Network(7)
    last = net.convolution("images", 3, 16, stride=2)
    last = net.convolution(last, 16, 32, stride=2)
    last = net.convolution(last, 32, signs + 1, stride=2, relu=False)
    net.node("ReduceMean", [last], "rows", axes=[2], keepdims=0)
    net.node("Transpose", ["rows"], "steps", perm=[0, 2, 1])
    net.node("Softmax", ["steps"], "signs", axis=2)
    return net.model(("batch", 3, "height", "width"), {"signs": ("batch", "steps", signs + 1)})


def detector(*, joined: bool = False, opset: int = 17, width: int = 1, size: int = 96) -> onnx.ModelProto:
    """Like YOLO's head: boxes in pixels and scores below one, as two outputs or joined into one. 1x3x96x96."""
    net = Network(3)
    last = net.convolution("images", 3, 16 * width, stride=2)
    last = net.convolution(last, 16 * width, 32 * width, stride=2)
    last = net.convolution(last, 32 * width, 32 * width, stride=2)
    boxes = net.convolution(last, 32 * width, 4, size=1, relu=False)
    net.node("Mul", [boxes, net.constant(np.array(96.0), "size")], "boxes")
    net.node("Sigmoid", [net.convolution(last, 32 * width, 2, size=1, relu=False)], "scores")
    cells = size // 8
    if not joined:
        made = {"boxes": (1, 4, cells, cells), "scores": (1, 2, cells, cells)}
        return net.model((1, 3, size, size), made, opset)
    net.node("Concat", ["boxes", "scores"], "found", axis=1)
    return net.model((1, 3, size, size), {"found": (1, 6, cells, cells)}, opset)


def tiny() -> onnx.ModelProto:
    """Two convolutions, 1x3x16x16 to 1x4x8x8."""
    net = Network(5)
    net.convolution(net.convolution("images", 3, 8, stride=2), 8, 4, size=1, relu=False)
    return net.model((1, 3, 16, 16), {"conv2": (1, 4, 8, 8)})


def single(kind: str, **attributes: object) -> onnx.ModelProto:
    """One operator on the picture."""
    net = Network(0)
    net.node(kind, ["images"], "out", **attributes)
    return net.model((1, 3, 16, 16), {"out": (1, 3, 16, 16)})


def pictures(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft coloured blots: uint8[count, height, width, 3]."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (count, 4, 4, 3))
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return small[:, rows][:, :, columns].astype(np.uint8)


def save(model: onnx.ModelProto, file: Path) -> Path:
    onnx.save(model, file)
    return file


def two_by_two(size: int = 96) -> onnx.ModelProto:
    """`images` and `weight` (a factor and a term) become `more` = images * factor + term, and `less` with minus."""
    shape, nodes = (1, 3, size, size), [
        helper.make_node("Split", ["weight"], ["factor", "term"], axis=3),
        helper.make_node("Mul", ["images", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "term"], ["more"]),
        helper.make_node("Sub", ["scaled", "term"], ["less"]),
    ]  # fmt: skip
    inputs = {"images": shape, "weight": (1, 1, 1, 2)}
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, made) for name, made in group.items()]
        for group in (inputs, {"more": shape, "less": shape})
    ]
    graph = helper.make_graph(nodes, "two", *values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def voice() -> onnx.ModelProto:
    """Like Silero's: sound of any length, a state and a rate become a score and the next state; `If` takes the rate.

    The score is the sigmoid of the sound's sum and the state's; the next state is the state and the sound's mean.
    """
    info, float_ = helper.make_tensor_value_info, TensorProto.FLOAT
    branches = {}
    for name, factor in (("then", 1.0), ("else", 2.0)):
        made = [
            helper.make_node("Constant", [], [f"{name}_factor"], value=numpy_helper.from_array(np.float32(factor))),
            helper.make_node("Mul", ["input", f"{name}_factor"], [f"{name}_sound"]),
        ]
        branches[f"{name}_branch"] = helper.make_graph(made, name, [], [info(f"{name}_sound", float_, None)])
    nodes = [
        helper.make_node("Equal", ["sr", "rate"], ["fits"]),
        helper.make_node("If", ["fits"], ["sound"], **branches),
        helper.make_node("ReduceMean", ["sound"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Add", ["state", "mean"], ["stateN"]),
        helper.make_node("ReduceSum", ["state", "axes"], ["before"], keepdims=0),
        helper.make_node("ReduceSum", ["sound", "one"], ["now"], keepdims=1),
        helper.make_node("Add", ["now", "before"], ["both"]),
        helper.make_node("Sigmoid", ["both"], ["output"]),
    ]
    weights = [
        numpy_helper.from_array(np.array(16000), "rate"),
        numpy_helper.from_array(np.array([0, 1, 2]), "axes"),
        numpy_helper.from_array(np.array([1]), "one"),
    ]
    inputs = [
        info("input", float_, ("batch", "samples")),
        info("state", float_, (2, "batch", 4)),
        info("sr", TensorProto.INT64, ()),
    ]
    outputs = [info("output", float_, ("batch", 1)), info("stateN", float_, ("a", "batch", "b"))]
    graph = helper.make_graph(nodes, "voice", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
