"""What the toolkit prints, as data and as sentences."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.host.engine.record import PlacedOperator
from edgekit.host.engine.rknn.complaints import NodeName, explain, not_lowered
from edgekit.host.engine.rknn.log import clean_line, read_accuracy, read_log
from edgekit.host.engine.verify.verdict import LayerError

MODEL = Path("m.onnx")
HEAD = "D RKNN: [00:34:02.588] "
LOG = (
    "I Loading :   0%|      | 0/16\rI Loading : 100%|######| 16/16\n"
    "\x1b[1;33mW\x1b[0m \x1b[1;33mbuild: The default input dtype of 'x' is changed\x1b[0m\n"
    "\x1b[1;33mW\x1b[0m \x1b[1;33mbuild: found outlier value, this may affect quantization accuracy\x1b[0m\n"
    "\x1b[1;33mW\x1b[0m \x1b[1;33mbuild: found outlier value, this may affect quantization accuracy\x1b[0m\n"
    f"{HEAD}0    InputOperator  INT8     CPU    \\    (1,3,160,160)   0/0/0   0   InputOperator:images\n"
    f"{HEAD}1    ConvRelu  INT8     NPU    (1,3,160,160),(16)   (1,16,80,80)   7685/57600/57600   77   Conv:conv1   \n"
    f"{HEAD}2    Reshape   INT8     CPU    (1,10,1,1),(2)       (1,10)     0/0/0    3    Reshape:logits/tp_rs\n"
    "E RKNN: [00:34:02.588] Unkown op target: 0\n"
    f"{HEAD}Total Internal Memory Size: 275KB\n{HEAD}Total Weight Memory Size: 19.1875KB\n"
)
ACCURACY = """# simulator_error: ...
layer_name                               simulator_error
[Input] images                  1.00000 | 0.0       1.00000 | 0.0
[Conv] conv1
[Relu] conv1.relu               0.99995 | 1.2323    0.99990 | 1.2323
[Conv] boxes                    0.89987 | 67.116    0.9     | 39.897
"""


def test_layers_memory_and_warnings():
    log = read_log(LOG)
    assert log.layers[0] == PlacedOperator(
        kind="ConvRelu",
        name="conv1",
        dtype="INT8",
        place="NPU",
        cycles=57600,
        traffic_bytes=77 << 10,
    )
    assert [layer.name for layer in log.on_cpu] == ["logits/tp_rs"]
    assert (log.cycles, log.internal_bytes, log.weight_bytes) == (57600, 275 << 10, 19648)
    assert log.warnings == ("some weights have outliers, which costs int8 accuracy",)
    assert log.errors == ()


def test_accuracy_rows():
    assert read_accuracy(ACCURACY)[1:] == (
        LayerError(kind="Relu", name="conv1.relu", cosine=0.99995, cosine_alone=0.9999),
        LayerError(kind="Conv", name="boxes", cosine=0.89987, cosine_alone=0.9),
    )


@given(st.text())
def test_anything_can_be_read(text):
    assert not read_log(text).layers
    assert read_accuracy(text) == ()
    assert explain(MODEL, {"failed": text, "step": "build"}, text).message.startswith("m.onnx: ")


@pytest.mark.parametrize(
    ("failed", "said", "told"),
    [
        ("Traceback ...\nValueError: Unsupport onnx opset 20, need <= 19!", "", "m.onnx: it has opset 20"),
        (
            "it answered -1",
            "E build: Dataset is missing!",
            "m.onnx: the RKNN toolkit fails at load: Dataset is missing!",
        ),
        (
            "onnxruntime.capi.onnxruntime_pybind11_state.Fail: [ONNXRuntimeError] : 1 : FAIL : Node is bad",
            "",
            "m.onnx: the RKNN toolkit fails at load: Node is bad",
        ),
        (
            "no layer of a is left; those behind it: b, c",
            "",
            "m.onnx: the toolkit has merged a with other layers: keep_float of it has no effect",
        ),
        ("", "", "m.onnx: the RKNN toolkit fails at load: it says nothing"),
    ],
)
def test_failures_are_sentences(failed, said, told):
    error = explain(MODEL, {"failed": failed, "step": "load"}, said)
    assert error.message == told
    assert error.hint


def test_a_toolkit_that_dies_is_told_with_its_last_words():
    died = explain(MODEL, {}, "E RKNN: [00:52:05.569] Meet unsupported mode in RoiAlign, mode: max\n")
    assert died.message == "m.onnx: operator RoiAlign with mode max is unknown to the RKNN toolkit"
    died = explain(MODEL, {}, "E RKNN: [00:52:05.569] Something new\n")
    assert died.message == "m.onnx: the RKNN toolkit died: Something new"
    assert "memory" in explain(MODEL, {}, "").hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x1b[1;31mE build: ValueError: bad\x1b[0m\n\n", "bad"),
        ("E RKNN: [00:52:05.569] no such thing\r", "no such thing"),
        ("KeyError: {'shape': [1, 2], 'name': 'x'}", ""),
        ("ValueError: wrong inputs {'shape': [1, 2], 'name': 'x'}", "wrong inputs ..."),
        ("rknn.api.Fail: [ONNXRuntimeError] : 1 : FAIL : Node is bad\n\x07", "Node is bad"),
        ("a" * 500, "a" * 197 + "..."),
    ],
)
def test_lines_are_cleaned(text, told):
    assert clean_line(text) == told


NODES = (
    NodeName(name="/model/conv", kind="Conv", tensors=("c1",)),
    NodeName(name="/model/conv/pool", kind="MaxPool", tensors=("/model/conv/pool_output_0",)),
)


def test_the_node_that_is_meant_is_named_with_the_cure():
    failed = "Traceback ...\nValueError: The shape of ['/model/conv/pool_output_0'] is {'x': 1}"
    error = explain(MODEL, {"failed": failed, "step": "build"}, "dump\n" * 100, NODES)
    assert error.message == "m.onnx: the RKNN toolkit fails at node /model/conv/pool (MaxPool): The shape of ..."
    assert error.hint == "replace node /model/conv/pool, or end the model before it"
    assert error.details == ""


def test_a_size_beyond_the_registers_is_a_warning_in_words():
    line = (
        "E RKNN: [13:38:22.316] REGTASK: The bit width of field value exceeds the limit, target: v2, offset: 0x500c, "
    )
    log = read_log(f"{line}shift = 0, limit: 0x1fff, value: 0x20cf\n" * 3)
    assert log.errors == ()
    assert log.warnings == ("a size of 8400 does not fit the NPU's registers (8192 do): try this engine on a board",)


def test_what_the_compiler_says_to_itself_is_left_out():
    text = "W RKNN: [13:38:22.316] Warning: Tensor c_rs_i1 need parameter qtype, type is set to float16 by default!\n"
    text += (
        "W RKNN: [13:38:22.316] LayoutMatchManager: recursion_depth=3, Logic is Dangerous\nW build: something else\n"
    )
    assert read_log(text).warnings == ("something else",)


def test_an_engine_with_holes_is_no_engine():
    said = "No lowering found for: out, node type = Selu, use CustomOperatorLower instead.\n"
    wrong = not_lowered(MODEL, said)
    assert wrong is not None
    assert wrong.message == "m.onnx: Selu, which makes out, runs neither on the NPU nor in its runtime"
    assert not_lowered(MODEL, LOG) is None


def test_layers_without_a_figure_stay_in_the_table() -> None:
    """What overflows has no cosine: it is what is looked for."""
    text = """\
[Input] x                        1.00000 | 0.0       1.00000 | 0.0
[Mul] q                           q_inf  | q_inf      q_inf  | q_inf
[Expand] r_expand                 q_inf  | q_inf     1.00000 | 235.82
[Div] y                           q_zero | q_zero    nan     | 0.0002
"""
    found = read_accuracy(text)
    assert [layer.name for layer in found] == ["x", "q", "r_expand", "y"]
    assert [math.isnan(layer.cosine) for layer in found] == [False, True, True, True]
    assert [math.isnan(layer.cosine_alone) for layer in found] == [False, True, False, True]
