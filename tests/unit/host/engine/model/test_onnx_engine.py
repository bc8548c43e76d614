"""An engine for ONNX Runtime is the model that was asked for, whole; anything else is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.device.builder.onnxruntime import build
from edgekit.errors import EngineError
from edgekit.host.engine.model.onnx_engine import check_onnx_engine
from edgekit.host.engine.model.onnx_model import OnnxModel, read_onnx
from edgekit.host.engine.model.quantise import quantise
from edgekit.schema.building import BuildRequest
from edgekit.schema.recipe import Quantisation
from tests.fakes.networks import classifier, detector, pictures, save, tiny


def made(folder: Path, model: onnx.ModelProto) -> tuple[bytes, OnnxModel]:
    """A model as this machine's ONNX Runtime optimises it."""
    file = save(model, folder / "model.onnx")
    build(BuildRequest(kind="onnxruntime", model="model.onnx", engine="engine.onnx"), folder, lambda _: None)
    return (folder / "engine.onnx").read_bytes(), read_onnx(file)


@pytest.mark.parametrize("network", [classifier, detector, tiny])
def test_what_the_compilers_make_is_taken(network, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    engine, model = made(tmp_path, network())
    assert check_onnx_engine(engine, model).graph.node
    size = model.inputs[0].shape[-1]
    frames = (pictures(4, size, size).astype(np.float32) / 255).transpose(0, 3, 1, 2)
    assert check_onnx_engine(quantise(tmp_path / "model.onnx", frames, Quantisation(), "cpu").model, model)


def test_what_is_cut_emptied_or_rubbish_is_refused(tmp_path: Path) -> None:
    engine, model = made(tmp_path, tiny())
    rubbish = [b"", b"evil", bytes(len(engine)), b"\xff" * 100, b"\x7fELF" * 40]
    cut = [engine[: len(engine) * part // 40] for part in range(40)]
    for data in (*rubbish, *cut, engine[: len(engine) // 2] + bytes(len(engine) // 2)):
        with pytest.raises(EngineError, match="the engine"):
            check_onnx_engine(data, model)


def test_another_model_is_refused(tmp_path: Path) -> None:
    engine, _ = made(tmp_path, classifier())
    with pytest.raises(EngineError, match=r"the engine has inputs .* and its model"):
        check_onnx_engine(engine, read_onnx(save(tiny(), tmp_path / "tiny.onnx")))


def changed(tmp_path: Path, change) -> tuple[bytes, OnnxModel]:  # type: ignore[no-untyped-def]
    engine, model = made(tmp_path, tiny())
    proto = onnx.load_model_from_string(engine)
    change(proto.graph)
    return proto.SerializeToString(), model


def _rename(graph: onnx.GraphProto) -> None:
    graph.output[0].name = "other"


def _resize(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.shape.dim[3].dim_value = 7


def _retype(graph: onnx.GraphProto) -> None:
    graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64


def _outside(graph: onnx.GraphProto) -> None:
    tensor = graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/shadow")


def _unmake(graph: onnx.GraphProto) -> None:
    del graph.initializer[:]


def _shorten(graph: onnx.GraphProto) -> None:
    graph.initializer[0].raw_data = b"\0"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_rename, "has outputs other"),
        (_resize, "has inputs"),
        (_retype, "has outputs .* int64"),
        (_outside, "from another file"),
        (_unmake, "is damaged"),
        (_shorten, "is damaged: constant"),
    ],
)
def test_one_that_was_changed_is_refused(change, told: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    engine, model = changed(tmp_path, change)
    with pytest.raises(EngineError, match=told):
        check_onnx_engine(engine, model)
