"""A build fills in what stages leave to the model: from the ONNX file itself, a file in the recipe, or the recipe."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import onnx
import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.engine.model.onnx_model import describe, read_onnx
from edgekit.host.engine.model.prepare.rewrite import prepare
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
