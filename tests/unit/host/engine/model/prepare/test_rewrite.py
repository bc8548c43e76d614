"""Models as exporters leave them become models that engines are made from, and answer as before."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import edgekit
from edgekit.errors import EdgekitError, EngineError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.model.prepare.rewrite import Prepared, prepare, prove_rewrite
from edgekit.host.settings import settings_from
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Model, Recipe
from edgekit.trust import sha256_file
from tests.fakes import exports
from tests.fakes.benches import bench_in, compile_models
from tests.fakes.exports import EXPORTS, Export, contract_of
from tests.fakes.written import PIPELINE

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
BACKENDS = ("onnxruntime", "rknn", "tensorrt")
OTHER_TYPES = {onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16}


def model_of(export: Export) -> Model:
    return from_raw(Model, {"onnx": "m.onnx", **export.model, "input": contract_of(export)}, "recipe")


def prepared(export: Export, folder: Path, backend: str = "onnxruntime") -> Prepared:
    (folder / "m.onnx").write_bytes(export.make().SerializeToString())
    return prepare(folder / "m.onnx", "m", model_of(export), backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", EXPORTS)
def test_each_becomes_a_model_of_one_fixed_input_that_answers_alike(name: str, backend: str, tmp_path: Path) -> None:
    made = prepared(EXPORTS[name], tmp_path, backend)
    (given,) = made.onnx.inputs
    assert given.shape == made.model.input.tensor_shape and given.dtype == made.model.input.dtype
    graph = onnx.load_model_from_string(made.data).graph
    assert not OTHER_TYPES & {tensor.data_type for tensor in graph.initializer}
    if name != "doubles among floats":
        assert prove_rewrite(tmp_path / "m.onnx", made, ()) == ""


@pytest.mark.parametrize("name", EXPORTS)
def test_the_npu_is_given_planes_of_float32_and_no_newer_operators(name: str, tmp_path: Path) -> None:
    made = prepared(EXPORTS[name], tmp_path, "rknn")
    assert (made.model.input.layout, made.model.input.dtype) == ("NCHW", "float32")
    assert made.onnx.inputs[0].dtype == "float32" and made.onnx.inputs[0].shape[1] == 3
    assert made.onnx.opset <= 19
    kinds = [node.op_type for node in onnx.load_model_from_string(made.data).graph.node]
    assert not {"Shape", "If", "Range", "ConstantOfShape"} & set(kinds)
    assert all(size for output in made.onnx.outputs for size in output.shape)


def test_a_model_that_needs_nothing_stays_the_user_s_file_byte_for_byte(tmp_path: Path) -> None:
    made = prepared(Export(make=lambda: exports.open_sizes(1, 32)), tmp_path)
    assert made.notes == () and made.data == (tmp_path / "m.onnx").read_bytes()


def test_three_forms_of_open_sizes_are_one_model(tmp_path: Path) -> None:
    names = ("open batch by name", "open batch as -1", "all sizes open")
    assert len({prepared(EXPORTS[name], tmp_path, "rknn").onnx.sha256 for name in names}) == 1


def test_transposes_at_the_edge_cancel_each_other(tmp_path: Path) -> None:
    graph = onnx.load_model_from_string(prepared(EXPORTS["bytes, channels last"], tmp_path, "rknn").data).graph
    assert [node.op_type for node in graph.node] == ["Div", "Conv"]


def test_tensorrt_casts_bytes_at_once(tmp_path: Path) -> None:
    made = prepared(EXPORTS["bytes, channels last"], tmp_path, "tensorrt")
    graph = onnx.load_model_from_string(made.data).graph
    assert made.onnx.inputs[0].dtype == "uint8"
    assert [node.op_type for node in graph.node] == ["Cast", "Transpose", "Div", "Conv"]


def test_bytes_that_are_computed_with_are_put_back(tmp_path: Path) -> None:
    graph = exports.Graph()
    graph.node("Equal", ["x", graph.constant("k", 7, np.uint8)], "is_seven")
    graph.node("Cast", ["is_seven"], "f", to=exports.FLOAT)
    graph.conv("f", "y", 3, 4)
    made = graph.model({"x": (exports.BYTES, [1, 3, 32, 32])}, {"y": (exports.FLOAT, [1, 4, 16, 16])})
    answer = prepared(Export(make=lambda: made, input=EXPORTS["bytes"].input), tmp_path, "rknn")
    assert prove_rewrite(tmp_path / "m.onnx", answer, ()) == ""


def test_a_batch_that_is_computed_over_is_refused(tmp_path: Path) -> None:
    answer = prepared(Export(make=lambda: exports.batch_of_four(mixing=True)), tmp_path)
    with pytest.raises(EngineError, match=r"does not answer as exported: output y is off by") as raised:
        prove_rewrite(tmp_path / "m.onnx", answer, ())
    assert "batch of 1" in raised.value.hint


def recipe_of(export: Export) -> Recipe:
    model = {"onnx": "m.onnx", **export.model, "input": contract_of(export)}
    raw = {"name": "x", "version": "1.0.0", "models": {"m": model}, "pipeline": PIPELINE}
    return from_raw(Recipe, {**raw, "limits": {"memory_max": "100MiB"}}, "recipe")


def fixed_inside() -> onnx.ModelProto:
    """Open at its edge, and for one size inside."""
    graph = exports.Graph()
    graph.conv("x", "c", 3, 4)
    graph.node("Reshape", ["c", graph.sizes("shape", 1, 1024)], "flat")
    graph.node("MatMul", ["flat", graph.kernel("w", 1024, 5)], "y")
    return graph.model({"x": (exports.FLOAT, [1, 3, "h", "w"])}, {"y": (exports.FLOAT, [1, 5])})


def pooled_inside() -> onnx.ModelProto:
    graph = exports.Graph()
    graph.node("Flatten", [graph.conv("x", "c", 3, 4)], "flat")
    graph.node("Gemm", ["flat", graph.kernel("w", 1024, 5)], "y")
    return graph.model({"x": (exports.FLOAT, ["n", 3, "h", "w"])}, {"y": (exports.FLOAT, ["n", 5])})


REFUSED = {
    "channels last, untold": (
        Export(make=exports.channels_last, input={"width_px": 48}),
        r"the layout is NHWC$",
        'write layout = "NHWC" in models.m.input',
    ),
    "swapped sides": (
        Export(make=lambda: exports.open_sizes(1, 32), input={"width_px": 64}),
        r"takes x float32\[1, 3, 32, 32\], and models.m.input describes x float32\[1, 3, 32, 64\]$",
        "correct models.m.input in recipe.toml, or export the model again",
    ),
    "grey": (
        Export(make=lambda: exports.open_sizes(1, 32), input={"order": "GRAY"}),
        r"the layout is NCHW, and it is coloured$",
        'write order = "RGB" in models.m.input',
    ),
    "bytes, untold": (
        Export(make=exports.bytes_input),
        r"the type differs$",
        'write dtype = "uint8" in models.m.input, and leave scale and mean out: it takes pixels',
    ),
    "two inputs, one described": (
        Export(make=exports.two_pictures),
        r"has 2 inputs: a float32\[1, 3, 32, 32\], b float32\[1, 3, 32, 32\]; models.m.input describes one$",
        "describe the others: models.m.other_inputs.b = { value = 1.0 } for a constant, "
        "{ picture = { ... } } for the same picture in another form, { shape = [...] } for a plain tensor",
    ),
    "an input that there is not": (
        Export(make=exports.two_pictures, model={"other_inputs": {"c": {"value": 1.0}}}),
        r"models.m.other_inputs names c, and .* has the inputs a .*, b ",
        "correct models.m.other_inputs in recipe.toml",
    ),
    "int8 of what is int8": (
        Export(make=exports.quantised, model={"precision": "int8", "calibration": ["*.png"]}),
        r"quantised already \(QuantizeLinear at node /q\): models.m.precision = \"int8\" cannot do it again$",
        'give the float model that it was made from; or keep its own ranges: precision = "float16"',
    ),
    "a size that the model cannot have": (
        Export(make=fixed_inside, input={"width_px": 64}),
        r"does not run with a picture of 64x32: node /flat \(Reshape\): The input tensor cannot be reshaped to the ",
        "give the input in recipe.toml the size that it was exported for, or export it with that size fixed",
    ),
    "a size that contradicts a weight": (
        Export(make=pooled_inside, input={"width_px": 64}),
        r"at the size of models.m.input it contradicts itself: ",
        "give models.m.input the size that it was exported for, or export it with that size fixed",
    ),
    "too few numbers": (
        Export(make=exports.picture_and_scale, model={"other_inputs": {"scale_factor": {"value": [1.0, 2.0, 3.0]}}}),
        r"takes scale_factor float32\[\?, 2\], and models.m.other_inputs.scale_factor.value has 3 numbers",
        "give as many numbers as scale_factor float32[?, 2] has, in its order",
    ),
}


@pytest.mark.parametrize("target", ["virt-arm64", "rk3588-debian12", "jetson-orin-nano-jp62"])
@pytest.mark.parametrize("name", REFUSED)
def test_one_mistake_is_one_sentence_on_every_target(name: str, target: str, tmp_path: Path) -> None:
    export, message, hint = REFUSED[name]
    (tmp_path / "m.onnx").write_bytes(export.make().SerializeToString())
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(EngineError, match=message) as raised:
        compile_models(recipe_of(export), tmp_path, find_target(target, SETTINGS), bench_in(tmp_path))
    assert raised.value.hint == hint


def one_picture_inside() -> onnx.ModelProto:
    """Open at its edge, and for one picture inside."""
    graph = exports.Graph()
    graph.conv("x", "c", 3, 4)
    graph.node("Reshape", ["c", graph.sizes("shape", 32, 32)], "flat")
    graph.node("MatMul", ["flat", graph.kernel("w", 32, 5)], "y")
    return graph.model({"x": (exports.FLOAT, ["n", 3, 32, 32])}, {"y": (exports.FLOAT, [32, 5])})


def test_what_takes_no_batch_is_told_to_be_asked_for_none_which_cures(tmp_path: Path) -> None:
    target, bench = find_target("virt-arm64", SETTINGS), bench_in(tmp_path)
    (tmp_path / "m.onnx").write_bytes(one_picture_inside().SerializeToString())
    with pytest.raises(EngineError) as raised:
        compile_models(recipe_of(Export(make=one_picture_inside, input={"batch": 2})), tmp_path, target, bench)
    assert raised.value.hint.endswith("size fixed, or leave batch = 2 out: it may take one picture at a time")
    compile_models(recipe_of(Export(make=one_picture_inside)), tmp_path, target, bench)


def test_an_engine_names_what_was_rewritten_and_is_proven_once(tmp_path: Path) -> None:
    export, bench = EXPORTS["torchvision"], bench_in(tmp_path)
    (tmp_path / "m.onnx").write_bytes(export.make().SerializeToString())
    target = find_target("virt-arm64", SETTINGS)
    (first,) = compile_models(recipe_of(export), tmp_path, target, bench)
    assert "input x fixed from [batch_size, 3, 32, 32] to [1, 3, 32, 32]" in first.entry.facts["rewritten"]
    assert first.entry.model_sha256 == onnx_sha(first.file)
    first.file.write_bytes(b"damaged")
    (again,) = compile_models(recipe_of(export), tmp_path, target, bench)
    assert again.file == first.file and onnx_sha(again.file) == first.entry.model_sha256


def onnx_sha(file: Path) -> str:
    return sha256_file(file)


@pytest.mark.parametrize("name", ["ultralytics", "bytes, channels last", "halves", "quantised", "branch", "Gelu"])
@example(places=[(3551, 120)])
@given(places=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_damaged_models_are_sentences(name: str, places: list[tuple[int, int]]) -> None:
    data = bytearray(EXPORTS[name].make().SerializeToString())
    for place, value in places:
        data[place % len(data)] = value
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "m.onnx").write_bytes(data)
        for backend in BACKENDS:
            with contextlib.suppress(EdgekitError):
                prepare(Path(folder, "m.onnx"), "m", model_of(EXPORTS[name]), backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_constant_whose_content_does_not_fit_its_shape_is_named(backend: Any, tmp_path: Path) -> None:
    export = EXPORTS["halves"]
    model = export.make()
    weight = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    weight.raw_data = weight.raw_data[:-2]
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(EngineError, match=f"constant {weight.name}: its content does not fit its shape"):
        prepare(tmp_path / "m.onnx", "m", model_of(export), backend)


@pytest.mark.parametrize("place", ["node", "input", "attribute", "metadata"])
def test_names_that_are_no_text_are_told(place: str, tmp_path: Path) -> None:
    export = EXPORTS["bytes, channels last"]
    model = export.make()
    match place:
        case "node":
            model.graph.node[0].name = "brokenname"
        case "input":
            model.graph.node[0].input[0] = "brokenname"
        case "attribute":
            model.graph.node[0].attribute.append(onnx.helper.make_attribute("brokenname", 1))
        case "metadata":
            model.metadata_props.add(key="brokenname", value="x")
    file = tmp_path / "m.onnx"
    file.write_bytes(model.SerializeToString().replace(b"brokenname", b"\x80rokenname"))
    with pytest.raises(EngineError, match=r"a name in it is no text: b'\\x80rokenname'"):
        prepare(file, "m", model_of(export), "rknn")


GROWING = {
    "ConstantOfShape": lambda graph: graph.node("ConstantOfShape", [graph.sizes("s", 1 << 29, 1 << 29)], "big"),
    "Expand": lambda graph: graph.node("Expand", [graph.sizes("v", 1), graph.sizes("s", 1 << 29, 1 << 29)], "big"),
    "Tile": lambda graph: graph.node("Tile", [graph.sizes("v", 1), graph.sizes("s", 1 << 40)], "big"),
    "Range": lambda graph: graph.node(
        "Range",
        [graph.constant(name, value, np.int64) for name, value in (("r1", 0), ("r2", 1 << 40), ("r3", 1))],
        "big",
    ),
    "Mul": lambda graph: graph.node(
        "Mul", [graph.constant("a", np.ones((1, 1 << 19))), graph.constant("b", np.ones((1 << 19, 1)))], "big"
    ),
}


@pytest.mark.parametrize("kind", GROWING)
def test_constants_that_would_fill_the_memory_are_not_computed(kind: str, tmp_path: Path) -> None:
    graph = exports.Graph()
    graph.node("ReduceMax", [GROWING[kind](graph)], "most", keepdims=0)
    graph.node("Cast", ["most"], "k", to=exports.FLOAT)
    graph.node("Mul", [graph.conv("x", "conv", 3, 4), "k"], "y")
    made = graph.model({"x": (exports.FLOAT, ["n", 3, 32, 32])}, {"y": (exports.FLOAT, None)})
    nodes = onnx.load_model_from_string(prepared(Export(make=lambda: made), tmp_path, "rknn").data).graph.node
    assert kind in [node.op_type for node in nodes]


CURED = {
    "channels last, untold": {"layout": "NHWC"},
    "grey": {"order": "RGB"},
    "bytes, untold": {"dtype": "uint8", "scale": 1.0},
    "a size that the model cannot have": {"width_px": 32},
    "a size that contradicts a weight": {"width_px": 32},
}


@pytest.mark.parametrize("name", CURED)
def test_what_the_hint_says_cures_it(name: str, tmp_path: Path) -> None:
    export = REFUSED[name][0]
    cured = dataclasses.replace(export, input={**export.input, **CURED[name]})
    made = prepared(cured, tmp_path, "rknn")
    assert prove_rewrite(tmp_path / "m.onnx", made, ()) == ""


@pytest.mark.parametrize("other", [{"value": 1.0}, {"picture": {"width_px": 32, "height_px": 32, "order": "RGB"}}])
def test_a_second_input_that_is_described_as_the_hint_says_is_taken(other: dict[str, object], tmp_path: Path) -> None:
    made = prepared(Export(make=exports.two_pictures, model={"other_inputs": {"b": other}}), tmp_path, "tensorrt")
    assert prove_rewrite(tmp_path / "m.onnx", made, ()) == ""


INT8 = {"dtype": "int8", "scale": 1 / 255, "quantised": {"scale": 1 / 255, "zero_point": -128}}


@pytest.mark.parametrize(("first", "second"), [({}, INT8), (INT8, {}), (INT8, {"dtype": "uint8", "scale": 1.0})])
def test_a_second_picture_may_be_of_another_type(first: dict[str, Any], second: dict[str, Any], tmp_path: Path) -> None:
    """int8 and uint8 tensors hold the levels of the same picture; real ones what those stand for."""
    types = {"int8": onnx.TensorProto.INT8, "uint8": onnx.TensorProto.UINT8}
    picture = {"width_px": 32, "height_px": 32, "order": "RGB", "scale": 1 / 255, **second}

    def make() -> onnx.ModelProto:
        graph = exports.Graph()
        for one in ("a", "b"):
            graph.node("Cast", [one], f"{one}_real", to=onnx.TensorProto.FLOAT)
        graph.node("Sub", ["a_real", "b_real"], "y")
        shape: list[exports.Size] = [1, 3, 32, 32]
        given = {name: types.get(one.get("dtype", ""), exports.FLOAT) for name, one in (("a", first), ("b", second))}
        return graph.model({name: (type_, shape) for name, type_ in given.items()}, {"y": (exports.FLOAT, shape)})

    export = Export(make=make, model={"other_inputs": {"b": {"picture": picture}}}, input=first)
    assert prove_rewrite(tmp_path / "m.onnx", prepared(export, tmp_path), ()) == ""


@pytest.mark.parametrize("backend", ["rknn", "tensorrt"])
def test_an_accelerator_is_given_no_whole_numbers_that_stand_for_others(backend: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=f"quantised int8 as x, and engines of {backend} take pictures") as refused:
        prepared(exports.WHOLE_NUMBERS, tmp_path, backend)
    assert "float model" in refused.value.hint


def test_a_second_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    other = {"b": {"picture": {"width_px": 32, "height_px": 32, "order": "RGB", "fit": "letterbox"}}}
    with pytest.raises(EngineError, match=r"other_inputs\.b\.picture differs from the model's input in fit"):
        prepared(Export(make=exports.two_pictures, model={"other_inputs": other}), tmp_path)


def test_casts_between_what_were_two_types_are_gone(tmp_path: Path) -> None:
    graph = onnx.load_model_from_string(prepared(EXPORTS["doubles"], tmp_path, "tensorrt").data).graph
    assert [node.op_type for node in graph.node] == ["Conv", "Mul"] and graph.output[0].name == "y"


def test_errors_name_the_user_s_file_and_not_what_was_made_of_it(tmp_path: Path) -> None:
    mixed = Export(
        make=lambda: exports.detector(split=False),
        model={"cpu_precision": "int8", "calibration": ["*.png"]},
        input={"width_px": 640, "height_px": 640},
    )
    (tmp_path / "m.onnx").write_bytes(mixed.make().SerializeToString())
    cv2.imwrite(str(tmp_path / "a.png"), np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8))
    with pytest.raises(EngineError) as raised:
        compile_models(recipe_of(mixed), tmp_path, find_target("virt-arm64", SETTINGS), bench_in(tmp_path / "cache"))
    assert "cache" not in raised.value.message + raised.value.hint


def filtering(least: float) -> onnx.ModelProto:
    """Gives as many boxes as there are, of pictures in a batch of any size."""
    made = exports.tail("NonMaxSuppression")
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    for tensor in made.graph.initializer:
        if tensor.name == "least":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([least], np.float32), "least"))
    return made


def test_outputs_of_any_size_are_compared_picture_by_picture_and_int8_of_them_is_refused(tmp_path: Path) -> None:
    export = Export(make=lambda: filtering(0.6), model={"calibration": ["*.png"]})
    (tmp_path / "m.onnx").write_bytes(export.make().SerializeToString())
    for index in range(2):
        pixels = np.random.default_rng(index).integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{index}.png"), cv2.resize(pixels, (64, 64)))
    target = find_target("virt-arm64", SETTINGS)
    (engine,) = compile_models(recipe_of(export), tmp_path, target, bench_in(tmp_path / "cache"))
    assert "fixed from [batch, 3, 32, 32]" in engine.entry.facts["rewritten"]
    int8 = dataclasses.replace(export, model={**export.model, "cpu_precision": "int8"})
    split = dataclasses.replace(int8, model={**int8.model, "split": ["boxes", "score"]})
    for refused in (int8, split):
        with pytest.raises(EngineError, match=r"output y has another size on each picture, such as ") as raised:
            compile_models(recipe_of(refused), tmp_path, target, bench_in(tmp_path / "cache"))
        assert raised.value.message.startswith(str(tmp_path / "m.onnx"))
