"""Models that bring ranges of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.backends.tensorrt import accelerator_of, refusals
from edgekit.host.engine.model.onnx_model import describe
from edgekit.host.engine.model.prepare.quantised import quantised_at
from edgekit.host.engine.rknn.refusals import refusals as rknn_refusals
from edgekit.host.engine.source import ModelSource, Pictures
from edgekit.host.settings import settings_from
from edgekit.schema.recipe import ColourContract, Model
from tests.fakes.exports import open_sizes, quantised

TARGET = find_target("jetson-orin-nano-jp62", settings_from({}, Path(edgekit.__file__).parent))
MODEL = Model(
    onnx="m.onnx", precision="float16", input=ColourContract(width_px=32, height_px=32, order="RGB", scale=1 / 255)
)


def reasons(model: onnx.ModelProto) -> tuple[str, ...]:
    path = Path("m.onnx")
    source = ModelSource(
        name="m",
        path=path,
        file=path,
        model=MODEL,
        onnx=describe(model, model.SerializeToString()),
        target=TARGET,
        pictures=Pictures(contract=MODEL.input),
    )
    return refusals(model, source, accelerator_of(TARGET))


def test_a_float_model_has_none() -> None:
    assert quantised_at(open_sizes(1, 32)) == ""
    assert quantised_at(quantised()) == "QuantizeLinear at node /q"


def test_tensorrt_takes_symmetric_int8_and_no_other() -> None:
    assert reasons(quantised(np.int8)) == ()
    (reason,) = reasons(quantised(np.uint8))
    assert reason.startswith("node /q: its range is not symmetric int8") and "give the float model" in reason


@pytest.mark.parametrize("check", [reasons, lambda model: rknn_refusals(model, MODEL)])
def test_operators_of_onnx_runtime_s_own_are_refused(check: object) -> None:
    model = open_sizes(1, 32)
    model.graph.node[0].op_type = "QLinearConv"
    (reason,) = check(model)  # type: ignore[operator]
    assert "is quantised in a form of ONNX Runtime's own" in reason
