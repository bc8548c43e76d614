"""Small models in the forms in which users' exporters leave them: open sizes, channels last, bytes, doubles, functions.

`EXPORTS` names each with the contract that fits it; sizes are small, the graphs' shapes are those of real exports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Size = int | str | None
FLOAT, HALF, DOUBLE, BYTES, INT64 = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.DOUBLE,
    TensorProto.UINT8,
    TensorProto.INT64,
)


@dataclass
class Graph:
    """Collects nodes and weights; each call gives the name of what it adds."""

    seed: int = 7
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def constant(self, name: str, value: object, dtype: type = np.float32) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def sizes(self, name: str, *value: int) -> str:
        return self.constant(name, value, np.int64)

    def kernel(self, name: str, *shape: int, dtype: type = np.float32) -> str:
        return self.constant(name, self._random.standard_normal(shape) * 0.2, dtype)

    def node(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"/{output}", **attributes))
        return output

    def conv(
        self, source: str, output: str, given: int, made: int, *, stride: int = 2, dtype: type = np.float32
    ) -> str:
        kernel = self.kernel(f"{output}.weight", made, given, 3, 3, dtype=dtype)
        return self.node("Conv", [source, kernel], output, strides=[stride] * 2, pads=[1] * 4, kernel_shape=[3, 3])

    def model(
        self,
        inputs: dict[str, tuple[int, list[Size]]],
        outputs: dict[str, tuple[int, list[Size] | None]],
        *,
        opset: int = 17,
        functions: tuple[onnx.FunctionProto, ...] = (),
        domains: tuple[str, ...] = (),
    ) -> onnx.ModelProto:
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "export",
            [info(name, *given) for name, given in inputs.items()],
            [info(name, *made) for name, made in outputs.items()],
            self.weights,
        )
        imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
        return helper.make_model(graph, opset_imports=imports, ir_version=9, functions=list(functions))


@dataclass(frozen=True, kw_only=True)
class Export:
    """A model, and what its recipe says of it."""

    make: Callable[[], onnx.ModelProto]
    model: dict[str, object] = field(default_factory=dict)
    """Keys of `[models.m]` beside `onnx` and `input`."""
    input: dict[str, object] = field(default_factory=dict)
    """Keys of its `input` beside the defaults of `contract_of`."""


def open_sizes(batch: Size, side: Size) -> onnx.ModelProto:
    graph = Graph()
    graph.conv("x", "y", 3, 4)
    return graph.model({"x": (FLOAT, [batch, 3, side, side])}, {"y": (FLOAT, [batch, 4, None, None])})


def classifier() -> onnx.ModelProto:
    """As torchvision's, exported with a dynamic batch: `flatten` computes its shape."""
    graph = Graph()
    graph.node("Relu", [graph.conv("x", "c1", 3, 8)], "r1")
    graph.node("Relu", [graph.conv("r1", "c2", 8, 16)], "r2")
    graph.node("GlobalAveragePool", ["r2"], "pool")
    graph.node("Shape", ["pool"], "shape")
    graph.node("Gather", ["shape", graph.constant("zero", 0, np.int64)], "batch", axis=0)
    graph.node("Unsqueeze", ["batch", graph.sizes("axes", 0)], "batches")
    graph.node("Concat", ["batches", graph.sizes("rest", -1)], "flat_shape", axis=0)
    graph.node("Reshape", ["pool", "flat_shape"], "flat")
    graph.node("Gemm", ["flat", graph.kernel("fc", 10, 16), graph.kernel("bias", 10)], "logits", transB=1)
    return graph.model({"x": (FLOAT, ["batch_size", 3, 32, 32])}, {"logits": (FLOAT, ["batch_size", 10])})


def detector(*, split: bool = True) -> onnx.ModelProto:
    """As ultralytics' with dynamic=True: two scales, anchors from the sizes of the feature maps, boxes and scores."""
    graph = Graph()
    graph.node("Relu", [graph.conv("images", "c1", 3, 8)], "p1")
    graph.node("Relu", [graph.conv("p1", "c2", 8, 8)], "p2")
    graph.node("Shape", ["images"], "image_shape")
    graph.node("Gather", ["image_shape", graph.constant("zero", 0, np.int64)], "n", axis=0)
    graph.node("Unsqueeze", ["n", graph.sizes("axis0", 0)], "batches")
    graph.node("Concat", ["batches", graph.sizes("per_anchor", 7, -1)], "flat_shape", axis=0)
    parts, grids = [], []
    for level in ("p1", "p2"):
        graph.conv(level, f"{level}.head", 8, 7, stride=1)
        parts.append(graph.node("Reshape", [f"{level}.head", "flat_shape"], f"{level}.flat"))
        grids.append(_grid(graph, level))
    graph.node("Concat", parts, "joined", axis=2)
    graph.node("Concat", grids, "anchors", axis=0)
    graph.node("Transpose", ["anchors"], "anchors_t", perm=[1, 0])
    for name, first, last in (("box", 0, 4), ("cls", 4, 7)):
        bounds = [graph.sizes(f"{name}.{edge}", value) for edge, value in (("from", first), ("to", last), ("on", 1))]
        graph.node("Slice", ["joined", *bounds], name)
    graph.node("Split", ["box", graph.sizes("halves", 2, 2)], "lt", axis=1)
    graph.nodes[-1].output.append("rb")
    graph.node("Sub", ["anchors_t", "lt"], "corner1")
    graph.node("Add", ["anchors_t", "rb"], "corner2")
    graph.node("Concat", ["corner1", "corner2"], "boxes", axis=1)
    graph.node("Sigmoid", ["cls"], "scores")
    inputs = {"images": (FLOAT, ["batch", 3, "height", "width"])}
    if split:
        return graph.model(inputs, {"boxes": (FLOAT, ["batch", 4, "n"]), "scores": (FLOAT, ["batch", 3, "n"])})
    graph.node("Concat", ["boxes", "scores"], "output0", axis=1)
    return graph.model(inputs, {"output0": (FLOAT, ["batch", 7, "anchors"])})


def _grid(graph: Graph, level: str) -> str:
    """Centres of a feature map's cells, [cells, 2]: `make_anchors`."""
    graph.node("Shape", [f"{level}.head"], f"{level}.shape")
    places = []
    for axis, index in (("h", 2), ("w", 3)):
        graph.node(
            "Gather", [f"{level}.shape", graph.constant(f"{level}.{axis}.i", index, np.int64)], f"{level}.{axis}"
        )
        limits = [graph.constant(f"{level}.{axis}.{name}", value, np.int64) for name, value in (("0", 0), ("1", 1))]
        graph.node("Range", [limits[0], f"{level}.{axis}", limits[1]], f"{level}.{axis}.ints")
        graph.node("Cast", [f"{level}.{axis}.ints"], f"{level}.{axis}.floats", to=FLOAT)
        half = graph.constant(f"{level}.{axis}.half", 0.5)
        places.append(graph.node("Add", [f"{level}.{axis}.floats", half], f"{level}.{axis}.centres"))
    for axis in ("h", "w"):
        graph.node("Unsqueeze", [f"{level}.{axis}", graph.sizes(f"{level}.{axis}.a", 0)], f"{level}.{axis}.size")
    graph.node("Concat", [f"{level}.h.size", f"{level}.w.size"], f"{level}.size", axis=0)
    columns = []
    for axis, at in (("w", 0), ("h", 1)):
        graph.node(
            "Unsqueeze", [f"{level}.{axis}.centres", graph.sizes(f"{level}.{axis}.at", at)], f"{level}.{axis}.2d"
        )
        graph.node("Expand", [f"{level}.{axis}.2d", f"{level}.size"], f"{level}.{axis}.map")
        graph.node(
            "Reshape", [f"{level}.{axis}.map", graph.sizes(f"{level}.{axis}.flat", -1, 1)], f"{level}.{axis}.column"
        )
        columns.append(f"{level}.{axis}.column")
    return graph.node("Concat", columns, f"{level}.anchors", axis=1)


def channels_last() -> onnx.ModelProto:
    """As tf2onnx': NHWC at both ends, the batch unknown."""
    graph = Graph()
    graph.node("Transpose", ["input_1"], "planes", perm=[0, 3, 1, 2])
    graph.node("Relu", [graph.conv("planes", "c1", 3, 8)], "r1")
    graph.node("Transpose", [graph.conv("r1", "c2", 8, 4, stride=1)], "out", perm=[0, 2, 3, 1])
    return graph.model({"input_1": (FLOAT, ["unk__6", 32, 48, 3])}, {"out": (FLOAT, ["unk__6", 16, 24, 4])})


def bytes_input(layout: str = "NCHW") -> onnx.ModelProto:
    graph = Graph()
    source = "x"
    if layout == "NHWC":
        source = graph.node("Transpose", ["x"], "planes", perm=[0, 3, 1, 2])
    graph.node("Cast", [source], "f", to=FLOAT)
    graph.node("Div", ["f", graph.constant("d", 255.0)], "g")
    graph.conv("g", "y", 3, 4)
    shape = [1, 3, 32, 32] if layout == "NCHW" else [1, 32, 32, 3]
    return graph.model({"x": (BYTES, shape)}, {"y": (FLOAT, [1, 4, 16, 16])})


def doubles(*, mixed: bool = False) -> onnx.ModelProto:
    """numpy's default type slipped in; `mixed` is what hand-made graphs have, and is no valid ONNX."""
    graph = Graph()
    graph.conv("x", "c", 3, 4)
    source = "c" if mixed else graph.node("Cast", ["c"], "wide", to=DOUBLE)
    graph.node("Mul", [source, graph.constant("k", 1 / 3, np.float64)], "m")
    made = "m" if mixed else graph.node("Cast", ["m"], "y", to=FLOAT)
    return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {made: (FLOAT, [1, 4, 16, 16])})


def halves() -> onnx.ModelProto:
    """As exported with half=True."""
    graph = Graph()
    graph.node("Sigmoid", [graph.conv("x", "c", 3, 4, dtype=np.float16)], "y")
    return graph.model({"x": (HALF, [1, 3, 32, 32])}, {"y": (HALF, [1, 4, 16, 16])})


def batch_of_four(*, mixing: bool = False) -> onnx.ModelProto:
    """Exported for four frames at once, the four in a Reshape; `mixing` computes over all of them."""
    graph = Graph()
    graph.conv("x", "c", 3, 4)
    graph.node("Reshape", ["c", graph.sizes("shape", 4, -1)], "flat")
    graph.node("MatMul", ["flat", graph.kernel("w", 1024, 5)], "y" if not mixing else "each")
    if mixing:
        graph.node("ReduceSum", ["each", graph.sizes("all", 0)], "y", keepdims=1)
    return graph.model({"x": (FLOAT, [4, 3, 32, 32])}, {"y": (FLOAT, [1 if mixing else 4, 5])})


def whole_numbers_input() -> onnx.ModelProto:
    """As TFLite's int8 models: the input is int8, and the model says itself what its numbers stand for."""
    graph = Graph()
    scale, zero = graph.constant("scale", 1 / 255), graph.constant("zero", -128, np.int8)
    graph.conv(graph.node("DequantizeLinear", ["x", scale, zero], "real"), "y", 3, 4)
    return graph.model({"x": (TensorProto.INT8, [1, 3, 32, 32])}, {"y": (FLOAT, [1, 4, 16, 16])})


WHOLE_NUMBERS = Export(
    make=whole_numbers_input, input={"dtype": "int8", "quantised": {"scale": 1 / 255, "zero_point": -128}}
)


def two_pictures() -> onnx.ModelProto:
    graph = Graph()
    kernel = graph.kernel("w", 4, 3, 3, 3)
    for source, made in (("a", "p"), ("b", "q")):
        graph.node("Conv", [source, kernel], made, strides=[2, 2], pads=[1] * 4, kernel_shape=[3, 3])
    graph.node("Mul", ["p", "q"], "y")
    shape: list[Size] = [1, 3, 32, 32]
    return graph.model({"a": (FLOAT, shape), "b": (FLOAT, shape)}, {"y": (FLOAT, [1, 4, 16, 16])})


def picture_and_scale() -> onnx.ModelProto:
    """As PaddleDetection's: the factor by which the picture was scaled is an input."""
    graph = Graph()
    graph.node("ReduceMean", [graph.conv("image", "c", 3, 2)], "m", axes=[2, 3], keepdims=0)
    graph.node("Div", ["m", "scale_factor"], "y")
    inputs = {"image": (FLOAT, ["n", 3, 32, 32]), "scale_factor": (FLOAT, ["n", 2])}
    return graph.model(inputs, {"y": (FLOAT, ["n", 2])})


def tail(kind: str) -> onnx.ModelProto:
    """Ends in what exporters append: the best class, the best few, or a box filter."""
    graph = Graph()
    graph.conv("x", "c", 3, 8)
    if kind == "ArgMax":
        graph.node("ArgMax", ["c"], "y", axis=1, keepdims=0)
        return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {"y": (INT64, [1, 16, 16])})
    if kind == "TopK":
        graph.node("Reshape", ["c", graph.sizes("shape", 1, -1)], "flat")
        graph.node("TopK", ["flat", graph.sizes("k", 5)], "values", axis=1)
        graph.nodes[-1].output.append("places")
        outputs = {"values": (FLOAT, [1, 5]), "places": (INT64, [1, 5])}
        return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, outputs)
    graph.node("Reshape", ["c", graph.sizes("shape", 1, 8, 256)], "rows")
    for name, first, last in (("box", 0, 4), ("score", 4, 8)):
        bounds = [graph.sizes(f"{name}.{edge}", value) for edge, value in (("from", first), ("to", last), ("on", 1))]
        graph.node("Slice", ["rows", *bounds], name)
    graph.node("Transpose", ["box"], "boxes", perm=[0, 2, 1])
    limits = [graph.sizes("most", 10), graph.constant("iou", [0.5]), graph.constant("least", [0.1])]
    graph.node("NonMaxSuppression", ["boxes", "score", *limits], "y")
    return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {"y": (INT64, [None, 3])})


def normalised(opset: int = 17) -> onnx.ModelProto:
    """A block as in vision transformers: LayerNormalization over the channels, Gelu where the set has it."""
    graph = Graph()
    graph.conv("x", "c", 3, 8)
    graph.node("Transpose", ["c"], "last", perm=[0, 2, 3, 1])
    weights = [graph.kernel("gain", 8), graph.kernel("shift", 8)]
    graph.node("LayerNormalization", ["last", *weights], "normal", axis=-1, epsilon=1e-5)
    graph.node("MatMul", ["normal", graph.kernel("w", 8, 8)], "mixed")
    graph.node("Gelu" if opset >= 20 else "Sigmoid", ["mixed"], "active")
    graph.node("Transpose", ["active"], "y", perm=[0, 3, 1, 2])
    return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {"y": (FLOAT, [1, 8, 16, 16])}, opset=opset)


def newer(opset: int) -> onnx.ModelProto:
    """Plain operators under a new operator set."""
    graph = Graph()
    graph.node("Relu", [graph.conv("x", "c", 3, 8)], "r")
    graph.node("Reshape", ["r", graph.sizes("shape", 1, -1)], "flat")
    graph.node("Gemm", ["flat", graph.kernel("fc", 10, 2048)], "g", transB=1)
    graph.node("Softmax", ["g"], "y", axis=-1)
    return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {"y": (FLOAT, [1, 10])}, opset=opset)


def quantised(dtype: type = np.uint8) -> onnx.ModelProto:
    """Q/DQ already in it, as quantisation-aware training leaves them."""
    graph = Graph()
    scale, zero = graph.constant("s", 1 / 127), graph.constant("z", 0, dtype)
    graph.node("QuantizeLinear", ["x", scale, zero], "q")
    graph.node("DequantizeLinear", ["q", scale, zero], "dq")
    graph.conv("dq", "y", 3, 4)
    return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {"y": (FLOAT, [1, 4, 16, 16])})


def activated(kind: str, opset: int) -> onnx.ModelProto:
    """One of the operators that the NPU's compiler knows in other words alone."""
    graph = Graph()
    graph.conv("x", "c", 3, 8)
    more = [graph.kernel("gain", 8), graph.kernel("shift", 8)] if kind == "GroupNormalization" else []
    graph.node(kind, ["c", *more], "a", **({"num_groups": 2} if more else {}))
    graph.conv("a", "y", 8, 4, stride=1)
    return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {"y": (FLOAT, [1, 4, 16, 16])}, opset=opset)


def listed() -> onnx.ModelProto:
    """A constant as a list of numbers, not as a tensor: torch's newer exporter writes them."""
    graph = Graph()
    graph.conv("x", "c", 3, 8)
    graph.node("Constant", [], "shape", value_ints=[1, -1])
    graph.node("Reshape", ["c", "shape"], "y")
    return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {"y": (FLOAT, None)})


def pooled() -> onnx.ModelProto:
    """As torch's `x.mean([2, 3])` in front of a linear layer: MobileNet, EfficientNet."""
    graph = Graph()
    graph.node("ReduceMean", [graph.conv("x", "c", 3, 8)], "m", axes=[-2, -1], keepdims=0)
    graph.node("Gemm", ["m", graph.kernel("fc", 10, 8)], "y", transB=1)
    return graph.model({"x": (FLOAT, [1, 3, 32, 32])}, {"y": (FLOAT, [1, 10])})


def with_function() -> onnx.ModelProto:
    """As torch's newer exporter: a layer is a function of the model's own."""
    graph = Graph()
    graph.conv("x", "c", 3, 4)
    graph.nodes.append(helper.make_node("Swish", ["c"], ["y"], domain="pkg.torch", name="/y"))
    body = [helper.make_node("Sigmoid", ["v"], ["s"]), helper.make_node("Mul", ["v", "s"], ["r"])]
    swish = helper.make_function("pkg.torch", "Swish", ["v"], ["r"], body, [helper.make_opsetid("", 17)])
    return graph.model(
        {"x": (FLOAT, [1, 3, 32, 32])}, {"y": (FLOAT, [1, 4, 16, 16])}, functions=(swish,), domains=("pkg.torch",)
    )


def with_branch() -> onnx.ModelProto:
    """torch's `squeeze` of a size that was open: an If that asks whether it is one."""
    graph = Graph()
    graph.node("ReduceMean", [graph.conv("x", "c", 3, 4)], "m", axes=[2, 3], keepdims=0)
    graph.node("Shape", ["m"], "shape")
    graph.node("Gather", ["shape", graph.sizes("first", 0)], "n", axis=0)
    graph.node("Equal", ["n", graph.sizes("one", 1)], "is_one")
    info = helper.make_tensor_value_info
    squeeze = [helper.make_node("Squeeze", ["m", "first"], ["squeezed"])]
    keep = [helper.make_node("Identity", ["m"], ["kept"])]
    branches = {
        "then_branch": helper.make_graph(squeeze, "then", [], [info("squeezed", FLOAT, None)]),
        "else_branch": helper.make_graph(keep, "else", [], [info("kept", FLOAT, None)]),
    }
    graph.node("If", ["is_one"], "y", **branches)
    return graph.model({"x": (FLOAT, ["batch", 3, 32, 32])}, {"y": (FLOAT, None)})


IMAGENET = {"mean": [123.675, 116.28, 103.53], "scale": [0.017125, 0.017507, 0.017429]}
EXPORTS = {
    "open batch by name": Export(make=lambda: open_sizes("batch", 32)),
    "open batch as -1": Export(make=lambda: open_sizes(-1, 32)),
    "all sizes open": Export(make=lambda: open_sizes("n", "side")),
    "torchvision": Export(make=classifier, input=IMAGENET),
    "ultralytics": Export(make=detector),
    "tf2onnx": Export(make=channels_last, input={"layout": "NHWC", "width_px": 48}),
    "bytes": Export(make=bytes_input, input={"dtype": "uint8", "scale": 1.0}),
    "bytes, channels last": Export(
        make=lambda: bytes_input("NHWC"), input={"dtype": "uint8", "scale": 1.0, "layout": "NHWC"}
    ),
    "doubles": Export(make=doubles),
    "doubles among floats": Export(make=lambda: doubles(mixed=True)),
    "halves": Export(make=halves),
    "batch of four": Export(make=batch_of_four),
    "two pictures": Export(
        make=two_pictures,
        model={"other_inputs": {"b": {"picture": {"width_px": 32, "height_px": 32, "order": "BGR", **IMAGENET}}}},
    ),
    "picture and scale": Export(
        make=picture_and_scale, model={"other_inputs": {"scale_factor": {"value": [0.5, 0.25]}}}
    ),
    "ArgMax": Export(make=lambda: tail("ArgMax")),
    "TopK": Export(make=lambda: tail("TopK")),
    "LayerNormalization": Export(make=normalised),
    "opset 21": Export(make=lambda: newer(21)),
    "opset 23": Export(make=lambda: newer(23)),
    "quantised": Export(make=quantised),
    "Gelu": Export(make=lambda: normalised(20)),
    "GroupNormalization": Export(make=lambda: activated("GroupNormalization", 21)),
    "Mish": Export(make=lambda: activated("Mish", 18)),
    "lists of numbers": Export(make=listed),
    "mean over the picture": Export(make=pooled),
    "function": Export(make=with_function),
    "branch": Export(make=with_branch),
}
"""What builds for every target."""


def contract_of(export: Export) -> dict[str, object]:
    """`input` of the recipe."""
    return {"width_px": 32, "height_px": 32, "order": "RGB", "scale": 1 / 255, **export.input}
