"""ONNX files as users really have them: each is wrong in its own way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

from tests.fakes.networks import classifier, single, tiny


def _changed(change: Callable[[onnx.ModelProto], None], model: onnx.ModelProto | None = None) -> bytes:
    made = model or tiny()
    change(made)
    return made.SerializeToString()


def _opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def _unsorted(model: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _no_weight(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0]


def _string(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING


def _linear(model: onnx.ModelProto) -> None:
    for weights in model.graph.initializer:
        if weights.name == "linear.weight":
            weights.CopyFrom(numpy_helper.from_array(np.zeros((10, 63), np.float32), "linear.weight"))


def _two_inputs(model: onnx.ModelProto) -> None:
    other = model.graph.input.add()
    other.CopyFrom(model.graph.input[0])
    other.name = "more"


def _attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute[0].type = AttributeProto.FLOAT


def _no_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "nothing"


def _elsewhere(model: onnx.ModelProto) -> None:
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def _twice(model: onnx.ModelProto) -> None:
    model.graph.node.add().CopyFrom(model.graph.node[0])


BROKEN: dict[str, bytes] = {
    "truncated": tiny().SerializeToString()[:400],
    "garbage": b"\x93garbage" * 99,
    "empty": b"",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "unknown operator": single("Frobnicate").SerializeToString(),
    "foreign domain": single("Thing", domain="com.acme").SerializeToString(),
    "size by content": single("NonZero").SerializeToString(),
    "no weight": _changed(_no_weight),
    "unsorted": _changed(_unsorted),
    "cycle": _changed(_cycle),
    "made twice": _changed(_twice),
    "opset of tomorrow": _changed(_opset),
    "text for input": _changed(_string),
    "sizes that do not meet": _changed(_linear, classifier()),
    "two inputs": _changed(_two_inputs),
    "attribute of another type": _changed(_attribute),
    "output that nothing makes": _changed(_no_output),
    "weights elsewhere": _changed(_elsewhere),
}
