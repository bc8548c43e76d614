"""Weights that lie beside a model: read wherever in it they hang, and never from elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edgekit
from edgekit.errors import EdgekitError, EngineError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.model.onnx_model import load_onnx, read_onnx
from edgekit.host.settings import settings_from
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Recipe
from tests.fakes.benches import bench_in, compile_models
from tests.fakes.exports import FLOAT, Graph
from tests.fakes.written import PIPELINE

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
SHAPE = [1, 3, 32, 32]
PLACES = ("initializer", "constant", "branch", "function")


def weights(name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.random.default_rng(3).standard_normal((4, 3, 3, 3)).astype(np.float32), name)


def conv(kernel: str) -> onnx.NodeProto:
    return helper.make_node(
        "Conv", ["x", kernel], ["y"], strides=[2, 2], pads=[1] * 4, kernel_shape=[3, 3], name="conv"
    )


def model(place: str, kernel: onnx.TensorProto) -> onnx.ModelProto:
    """A convolution whose weights hang at a place of the graph."""
    graph, functions, domains = Graph(), (), ()
    held = helper.make_node("Constant", [], ["w"], value=kernel)
    if place == "initializer":
        graph.weights.append(kernel)
        graph.nodes.append(conv("w"))
    elif place == "constant":
        graph.nodes += [held, conv("w")]
    elif place == "branch":
        graph.constant("yes", True, np.bool_)
        out = [helper.make_tensor_value_info("y", FLOAT, None)]
        branches = {f"{name}_branch": helper.make_graph([held, conv("w")], name, [], out) for name in ("then", "else")}
        graph.nodes.append(helper.make_node("If", ["yes"], ["y"], name="if", **branches))
    else:
        body = [held, conv("w")]
        functions = (helper.make_function("own", "Layer", ["x"], ["y"], body, [helper.make_opsetid("", 17)]),)
        graph.nodes.append(helper.make_node("Layer", ["x"], ["y"], domain="own", name="layer"))
        domains = ("own",)
    outputs = {"y": (FLOAT, [1, 4, 16, 16])}
    return graph.model({"x": (FLOAT, SHAPE)}, outputs, functions=functions, domains=domains)


def apart(kernel: onnx.TensorProto, location: str, **more: int) -> onnx.TensorProto:
    """The same tensor, its content elsewhere."""
    made = onnx.TensorProto()
    made.CopyFrom(kernel)
    made.ClearField("raw_data")
    made.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        made.external_data.add(key=key, value=str(value))
    return made


def write(folder: Path, place: str, location: str = "m.onnx.data", **more: int) -> Path:
    kernel = weights("w")
    (folder / "m.onnx.data").write_bytes(b"\0" * 16 + kernel.raw_data)
    bounds = more or {"offset": 16, "length": len(kernel.raw_data)}
    (folder / "m.onnx").write_bytes(model(place, apart(kernel, location, **bounds)).SerializeToString())
    return folder / "m.onnx"


@pytest.mark.parametrize("place", PLACES)
def test_they_are_read_wherever_they_hang(place: str, tmp_path: Path) -> None:
    found, data = load_onnx(write(tmp_path, place))
    assert found == model(place, weights("w"))
    assert onnx.load_model_from_string(data) == found


@pytest.mark.parametrize("place", PLACES)
def test_what_goes_to_the_board_is_whole_and_another_for_other_weights(place: str, tmp_path: Path) -> None:
    path, bench = write(tmp_path, place), bench_in(tmp_path / "cache")
    picture = {"width_px": 32, "height_px": 32, "order": "RGB"}
    raw = {"name": "x", "version": "1.0.0", "models": {"m": {"onnx": "m.onnx", "input": picture}}, "pipeline": PIPELINE}
    recipe = from_raw(Recipe, {**raw, "limits": {"memory_max": "100MiB"}}, "recipe")
    target = find_target("virt-arm64", SETTINGS)
    (first,) = compile_models(recipe, tmp_path, target, bench)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "m.onnx").write_bytes(first.file.read_bytes())
    assert read_onnx(elsewhere / "m.onnx").sha256 == first.entry.model_sha256
    (tmp_path / "m.onnx.data").write_bytes(b"\1" * path.with_name("m.onnx.data").stat().st_size)
    (second,) = compile_models(recipe, tmp_path, target, bench)
    assert second.entry.model_sha256 != first.entry.model_sha256


def leading_out(folder: Path) -> str:
    (folder / "link").symlink_to("/etc/passwd")
    return "link"


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return "pipe"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("/etc/passwd", "is not in its folder"),
        ("../m.onnx.data", "is not in its folder"),
        ("", "is not in its folder"),
        (leading_out, "is not in its folder"),
        ("nothing.data", "which is not there"),
        (pipe, "is a pipe, not a file"),
        (".", "is a folder, not a file"),
    ],
)
def test_other_places_are_refused(place: str, location: object, reason: str, tmp_path: Path) -> None:
    name = location(tmp_path) if callable(location) else str(location)
    with pytest.raises(EdgekitError, match=reason) as raised:
        load_onnx(write(tmp_path, place, name))
    assert "\n" not in raised.value.message and raised.value.hint


@pytest.mark.parametrize("bounds", [{"offset": 1 << 40}, {"offset": 0, "length": 1 << 40}, {"offset": -5}])
def test_bounds_beyond_the_file_are_refused(bounds: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cut short"):
        load_onnx(write(tmp_path, "constant", **bounds))


def test_each_offered_cure_cures(tmp_path: Path) -> None:
    path, data = write(tmp_path, "constant", "gone.data"), tmp_path / "m.onnx.data"
    with pytest.raises(EngineError, match=r"gone\.data, which is not there") as raised:
        load_onnx(path)
    assert raised.value.hint == (
        "copy gone.data beside the model, or export it as one file: "
        'onnx.save(model, "m.onnx", save_as_external_data=False)'
    )
    (tmp_path / "gone.data").write_bytes(data.read_bytes())
    whole = load_onnx(path)[0]
    assert whole == model("constant", weights("w"))
    write(tmp_path, "constant", "../m.onnx.data")
    with pytest.raises(EngineError, match="is not in its folder") as outside:
        load_onnx(path)
    assert outside.value.hint == 'export it as one file: onnx.save(model, "m.onnx", save_as_external_data=False)'
    onnx.save(whole, path, save_as_external_data=False)
    assert load_onnx(path)[0] == whole
