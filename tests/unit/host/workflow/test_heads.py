"""A build fills in what stages leave to the model: from the ONNX file itself, a file in the recipe, or the recipe."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

import edgekit
from edgekit.errors import InputError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.model.onnx_model import describe, read_onnx
from edgekit.host.engine.model.prepare.rewrite import prepare
from edgekit.host.release.plan import plan_worker
from edgekit.host.settings import settings_from
from edgekit.host.workflow.heads import SettledRecipe, settle_heads
from edgekit.schema.stages.yolo import YoloStage
from tests.fakes import networks, yolo
from tests.fakes.yolo_recipe import write_recipe

NAMES = "{0: 'red', 1: 'green', 2: 'blue'}"
_LABELS = 'labels = ["red", "green", "blue"], '


def settle(folder: Path, options: str, metadata: dict[str, str], output: str = "output0") -> SettledRecipe:
    """The small detector's recipe with other options and a model that says so much of itself."""
    write_recipe(folder, pictures=1)
    model = yolo.detector(output=output)
    onnx.helper.set_model_props(model, metadata)
    networks.save(model, folder / "net.onnx")
    text = (folder / "recipe.toml").read_text()
    written = re.sub(
        r'kind = "yolo"\nlane = "a"\noptions = .*', f'kind = "yolo"\nlane = "a"\noptions = {options}', text
    )
    (folder / "recipe.toml").write_text(written)
    return settle_heads(read_recipe(folder), {"net": read_onnx(folder / "net.onnx")})


def options_of(settled: SettledRecipe):
    stage = settled.folder.recipe.pipeline.stages["find"]
    assert isinstance(stage, YoloStage)
    return stage.options


def test_names_from_the_model_itself(tmp_path):
    settled = settle(tmp_path, "{ threshold = 0.4 }", {"names": NAMES})
    assert options_of(settled).labels == ("red", "green", "blue")
    (note,) = settled.notes
    assert note == (
        "stage find: a list of YOLOv8's kind (v8, v9, v11, v12): output0 [1, 7, 2000]; "
        "3 labels from the model's metadata"
    )


def test_they_outlive_what_the_build_rewrites_in_a_model(tmp_path):
    settle(tmp_path, "{}", {"names": NAMES})
    model = read_recipe(tmp_path).recipe.models["net"]
    for backend in ("onnxruntime", "rknn", "tensorrt"):
        prepared = prepare(tmp_path / "net.onnx", "net", model, backend)
        assert prepared.onnx.metadata["names"] == NAMES


def test_names_from_a_file_before_those_of_the_model(tmp_path):
    tmp_path.joinpath("names.txt").write_text("Rot\nGrün\nBlau\n\n", "utf-8")
    settled = settle(tmp_path, '{ labels_file = "names.txt" }', {"names": NAMES})
    assert options_of(settled).labels == ("Rot", "Grün", "Blau")
    assert settled.notes[0].endswith("; 3 labels from names.txt")


def test_names_from_the_recipe_before_all(tmp_path):
    tmp_path.joinpath("names.txt").write_text("a\nb\nc\n")
    settled = settle(tmp_path, f'{{ {_LABELS}labels_file = "names.txt" }}', {"names": "{0: 'x'}"})
    assert options_of(settled).labels == ("red", "green", "blue")


def test_an_output_of_another_name_is_found(tmp_path):
    assert options_of(settle(tmp_path, f"{{ {_LABELS}most = 9 }}", {}, output="boxes")).output == "boxes"


@pytest.mark.parametrize(
    ("options", "metadata", "message", "hint"),
    [
        ("{}", {}, "pipeline.stages.find.options.labels: missing", "write labels = [...], 3 of them, or labels_file"),
        ("{}", {"names": "{0: 'a', 1: 'b'}"}, 'are not those of head "yolov8" with 2 labels', "give 3 labels"),
        ('{ labels = ["a"] }', {}, 'are not those of head "yolov8" with 1 labels: output0 [1, 7, 2000]', "give 3"),
        ("{ thresholds = { gren = 0.2 } }", {"names": NAMES}, "options.thresholds: no class 'gren'", "'green'?"),
    ],
)
def test_what_is_missing_or_wrong_is_told(tmp_path, options, metadata, message, hint):
    with pytest.raises(InputError) as raised:
        settle(tmp_path, options, metadata)
    assert message in raised.value.message
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"red\n\nblue\n", "line 2"), (b"r\x00d", "line 1"), (b"\xff\xfe", "UTF-8"), (b"", "line 1")],
)
def test_a_file_without_names_is_told(tmp_path, content, reason):
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        settle(tmp_path, '{ labels_file = "names.txt" }', {})


def test_a_file_that_is_not_there_is_told_by_the_recipe(tmp_path):
    with pytest.raises(InputError, match=r"pipeline.stages.find.options.labels_file: names.txt is not there"):
        settle(tmp_path, '{ labels_file = "names.txt" }', {})


def test_metadata_is_bounded():
    model = yolo.detector()
    onnx.helper.set_model_props(model, {"names": "x" * (1 << 20), **{f"k{index}": "v" for index in range(100)}})
    described = describe(model, b"")
    assert "names" not in described.metadata
    assert len(described.metadata) < 64
    assert described.made_by == {"output0": "Concat"}


def test_models_that_are_not_known_leave_their_stages_alone(tmp_path):
    settled = settle(tmp_path, f"{{ {_LABELS.rstrip(', ')} }}", {})
    again = settle_heads(settled.folder, {})
    assert again == dataclasses.replace(settled, notes=())


def stage_text(kind: str, options: str) -> str:
    return f'kind = "{kind}"\nlane = "a"\noptions = {options}'


def settle_kind(folder: Path, kind: str, options: str, model: onnx.ModelProto) -> SettledRecipe:
    """The recipe with another kind of stage behind another model."""
    write_recipe(folder, pictures=1)
    networks.save(model, folder / "net.onnx")
    text = (folder / "recipe.toml").read_text()
    text = re.sub('kind = "yolo"\nlane = "a"\noptions = .*', stage_text(kind, options), text)
    (folder / "recipe.toml").write_text(text)
    return settle_heads(read_recipe(folder), {"net": read_onnx(folder / "net.onnx")})


def with_outputs(outputs: dict[str, tuple[int, ...]], kind: str = "Sigmoid") -> onnx.ModelProto:
    """A model of any outputs: constants through one operator."""
    net = networks.Network(0)
    for name, shape in outputs.items():
        net.node(kind, [net.constant(np.zeros(shape), f"{name}.zeros")], name)
    return net.model((1, 3, yolo.SIZE, yolo.SIZE), outputs)


def settled_options(settled: SettledRecipe):
    return settled.folder.recipe.pipeline.stages["find"].options


def test_a_detector_of_any_kind_is_told_by_its_outputs(tmp_path):
    model = yolo.detector()
    onnx.helper.set_model_props(model, {"names": NAMES})
    settled = settle_kind(tmp_path, "detect", "{}", model)
    options = settled_options(settled)
    assert (options.head, options.outputs, options.labels) == ("yolov8", ("output0",), ("red", "green", "blue"))
    assert (options.activation, options.unit, options.corners, options.background) == (
        "none",
        "pixels",
        "middle_size",
        "none",
    )
    assert settled.notes[0].startswith("stage find: a list of YOLOv8's kind")
    again = settle_heads(settled.folder, {"net": read_onnx(tmp_path / "net.onnx")})
    assert settled_options(again) == options, "what is settled stays"


def test_points_have_the_names_of_the_recipe_or_numbers(tmp_path):
    model = with_outputs({"output0": (1, 11, 525)})
    onnx.helper.set_model_props(model, {"names": "{0: 'cow'}", "kpt_shape": "[2, 3]"})
    assert settled_options(settle_kind(tmp_path, "detect", "{}", model)).keypoints == ("point0", "point1")
    named = settle_kind(tmp_path, "detect", '{ keypoints = ["nose", "tail"] }', model)
    assert settled_options(named).keypoints == ("nose", "tail")


def test_masks_are_told_by_their_prototypes(tmp_path):
    model = with_outputs({"output0": (1, 39, 525), "output1": (1, 32, 40, 40)})
    options = settled_options(settle_kind(tmp_path, "detect", '{ labels = ["a", "b", "c"] }', model))
    assert (options.masks, options.outputs) == (32, ("output0", "output1"))


def test_priors_say_that_it_is_ssd_and_travel(tmp_path):
    np.save(tmp_path / "priors.npy", np.zeros((300, 4), np.float32))
    model = with_outputs({"loc": (1, 300, 4), "conf": (1, 300, 3)})
    settled = settle_kind(tmp_path, "detect", '{ labels = ["a", "b"], priors = "priors.npy" }', model)
    options = settled_options(settled)
    assert (options.head, options.background, options.activation) == ("ssd", "first", "softmax")
    assert settled.folder.carried == ("clip.mp4", "priors.npy")
    host = find_target("host", settings_from({"HOME": "/nonexistent"}, Path(edgekit.__file__).parent))
    (*_, plan) = plan_worker(settled.folder.recipe, host, [], has_app=False).stages
    assert plan.options["priors"] == "recipe/priors.npy"


@pytest.mark.parametrize(
    ("kind", "shape", "labels", "wanted"),
    [
        ("classify", (1, 3), '["a", "b", "c"]', {"output": "out", "activation": "none"}),
        ("segment", (1, 3, 40, 40), '["a", "b", "c"]', {"output": "out"}),
    ],
)
def test_whole_pictures(tmp_path, kind, shape, labels, wanted):
    maker = "Sigmoid" if kind == "segment" else "Softmax"
    settled = settle_kind(tmp_path, kind, f"{{ labels = {labels} }}", with_outputs({"out": shape}, maker))
    options = settled_options(settled)
    for name, value in wanted.items():
        assert getattr(options, name) == value


def test_what_is_said_of_crops_is_told_by_the_model_too(tmp_path):
    """The second model has an input of its own, wide as a line of text is."""
    settle_kind(tmp_path, "detect", '{ labels = ["a", "b", "c"] }', yolo.detector())
    text = (tmp_path / "recipe.toml").read_text()
    second = text[text.index("[models.net]") : text.index("[pipeline.sources")].replace("models.net", "models.signs")
    second = second.replace("net.onnx", "signs.onnx").replace("height_px = 160", "height_px = 32")
    text = text.replace("[pipeline.sources", f"{second}[pipeline.sources", 1)
    crops = '[pipeline.stages.plate]\nmodel = "signs"\n' + stage_text("crops", '{ labels_file = "signs.txt" }')
    text = text.replace('lane = "a"\noptions', 'lane = "a"\nmodel = "net"\noptions')
    (tmp_path / "recipe.toml").write_text(text.replace("[pipeline.sinks", f"{crops}\n\n[pipeline.sinks", 1))
    (tmp_path / "signs.txt").write_text("\n".join("0123456789AB"))
    networks.save(with_outputs({"out": (1, 40, 13)}, "Softmax"), tmp_path / "signs.onnx")
    models = {name: read_onnx(tmp_path / f"{name}.onnx") for name in ("net", "signs")}
    settled = settle_heads(read_recipe(tmp_path), models)
    options = settled.folder.recipe.pipeline.stages["plate"].options
    assert (options.reads, options.output, options.activation) == ("text", "out", "none")
    assert settled.notes[1] == "stage plate: a reader of one line (CTC): out [1, 40, 13]; 12 labels from signs.txt"


def test_no_board_has_a_head_of_its_own(tmp_path):
    write_recipe(tmp_path, pictures=1)
    text = (tmp_path / "recipe.toml").read_text()
    text += '\n[settings.out]\nkind = "text"\nabout = "x"\ndefault = "output0"\n'
    (tmp_path / "recipe.toml").write_text(text.replace("threshold = 0.4", 'output = { setting = "out" }'))
    with pytest.raises(InputError, match=r"pipeline.stages.find.options.output: cannot be a setting"):
        settle_heads(read_recipe(tmp_path), {"net": read_onnx(tmp_path / "net.onnx")})
