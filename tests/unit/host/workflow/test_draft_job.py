"""A recipe for a user's own model: from its file to a folder that reads, and to what its float model finds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data

from edgekit.errors import EngineError, InputError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.workflow.draft import (
    DraftedRecipe,
    DraftWords,
    draft_request,
    look_into_model,
    open_questions,
    write_draft,
)
from edgekit.host.workflow.golden import GoldenOptions, find_golden
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.recipe import ColourContract
from edgekit.schema.source import RtspSource
from edgekit.schema.stages.detect import DetectStage
from edgekit.schema.stages.pictures import ClassifyStage, ReadStage
from tests.fakes import hostile_models, networks, yolo
from tests.fakes.workstations import workstation_in


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workstation:
    monkeypatch.chdir(tmp_path)
    return workstation_in(tmp_path / "home")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return networks.save(yolo.detector(ultralytics=True), tmp_path / "best.onnx")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    for seed in range(5):
        cv2.imwrite(str(folder / f"{seed}.png"), yolo.scene(seed, size=320)[0][..., ::-1])
    (folder / "notes.txt").write_text("no picture")
    return folder


def draft(model: Path, station: Workstation, *answers: str, **options: object) -> DraftedRecipe:
    words = DraftWords(name="gate", parent=Path("recipes"), answers=answers, pictures=None, cameras=(), broker="")
    request = draft_request(dataclasses.replace(words, **options))  # type: ignore[arg-type]
    return write_draft(look_into_model(model, station), request)


def test_a_recipe_is_written_from_the_models_own_words(model: Path, pictures: Path, station: Workstation) -> None:
    cameras = ("gate=rtsp://viewer:s3cret99@192.0.2.5/1", "yard=rtsp://192.0.2.6/1")
    done = draft(model, station, pictures=pictures, cameras=cameras, broker="192.0.2.2:1884")
    recipe = read_recipe(done.path).recipe
    (net,) = recipe.models.values()
    wanted = ColourContract(width_px=160, height_px=160, order="RGB", scale=1 / 255, fit="letterbox", bars=114)
    assert (net.onnx, net.precision, net.input) == ("best.onnx", "float16", wanted)
    stage = recipe.pipeline.stages["find"]
    assert isinstance(stage, DetectStage) and (stage.options.head, stage.options.threshold) == ("yolov8", 0.25)
    assert stage.options.labels is None, "the model names them itself"
    assert {name: type(source) for name, source in recipe.pipeline.sources.items()} == {
        "gate": RtspSource,
        "yard": RtspSource,
    }
    assert recipe.settings.keys() == {"gate_url", "gate_user", "gate_password", "yard_url", "broker"}
    text, fleet = (done.path / "recipe.toml").read_text(), station.settings.fleet_file.read_text()
    assert "s3cret99" not in text + fleet and "192.0.2" not in text and fleet.count("192.0.2") == 3
    assert done.copied[0] == "best.onnx" and len([name for name in done.copied if name.startswith("pictures/")]) == 5
    assert any("Ultralytics" in line for line in done.known) and any("precision float16" in line for line in done.known)


def test_models_of_whole_pictures_get_the_stage_that_takes_them(tmp_path: Path, station: Workstation) -> None:
    (tmp_path / "names.txt").write_text("".join(f"class {number}\n" for number in range(10)))
    answers = ("order=RGB", "pixels=imagenet", "fit=crop", f"labels={tmp_path}/names.txt")
    done = draft(networks.save(networks.classifier(), tmp_path / "net.onnx"), station, *answers)
    recipe = read_recipe(done.path).recipe
    assert [stage.kind for stage in recipe.pipeline.stages.values()] == ["preprocess", "infer", "classify"]
    stage = recipe.pipeline.stages["find"]
    assert isinstance(stage, ClassifyStage) and (stage.options.activation, stage.options.threshold) == ("softmax", 0.5)
    assert recipe.models["net"].input.fit == "crop"
    assert any("10 classes; a classifier: logits [1, 10]: stage classify" in line for line in done.known)


def test_a_reader_brings_its_signs(tmp_path: Path, station: Workstation) -> None:
    model = networks.reader()
    model.metadata_props.add(key="character", value="\n".join("0123456789AB"))
    answers = ("size=128x32", "pixels=0..1", "fit=letterbox", "bars=0", "align=top_left", "order=BGR")
    done = draft(networks.save(model, tmp_path / "net.onnx"), station, *answers)
    recipe = read_recipe(done.path).recipe
    stage = recipe.pipeline.stages["find"]
    assert isinstance(stage, ReadStage) and stage.options.labels is None
    assert any("12 signs; a reader of one line (CTC)" in line for line in done.known)


def test_its_golden_frames_show_what_is_in_the_pictures(model: Path, pictures: Path, station: Workstation) -> None:
    done = draft(model, station, pictures=pictures)
    seen = find_golden(done.path, GoldenOptions(write=True), station)
    assert [len(one.found) for one in seen.frames] == [len(yolo.scene(seed, size=320)[1]) for seed in (0, 1, 2, 3)]
    golden = read_recipe(done.path).recipe.golden
    assert golden is not None and len(golden.frames) == 4
    find_golden(done.path, GoldenOptions(check=True), station)


def test_what_nobody_says_is_refused_with_the_option_that_says_it(tmp_path: Path, station: Workstation) -> None:
    plain = networks.save(yolo.detector(), tmp_path / "plain.onnx")
    with pytest.raises(InputError) as raised:
        draft(plain, station)
    for option in ("--set order=RGB|BGR", "--set pixels=0..1|", "--set fit=letterbox|stretch"):
        assert option in raised.value.message
    with pytest.raises(InputError, match=r"--set labels=FILE .* By its outputs: 3 classes"):
        draft(plain, station, "order=RGB", "pixels=0..1", "fit=stretch")
    assert not (tmp_path / "recipes").exists()
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\n")
    answers = ("order=RGB", "pixels=0..1", "fit=stretch", f"labels={tmp_path}/names.txt", "threshold=0.4")
    done = draft(plain, station, *answers)
    stage = read_recipe(done.path).recipe.pipeline.stages["find"]
    assert isinstance(stage, DetectStage) and (stage.options.labels_file, stage.options.threshold) == (
        "labels.txt",
        0.4,
    )
    assert (done.path / "labels.txt").read_text() == "red\ngreen\nblue\n" and "labels.txt" in done.copied
    words = DraftWords(name="x", parent=Path(), answers=(), pictures=None, cameras=(), broker="")
    asked = open_questions(look_into_model(plain, station), draft_request(words))
    assert [question.key for question in asked] == ["order", "pixels", "fit"]


def test_int8_wants_pictures_and_is_split(model: Path, pictures: Path, station: Workstation) -> None:
    with pytest.raises(InputError, match="int8 gets its ranges from pictures"):
        draft(model, station, "precision=int8")
    (net,) = read_recipe(draft(model, station, "precision=int8", pictures=pictures).path).recipe.models.values()
    assert (net.precision, net.split, net.calibration) == ("int8", "auto", ("pictures/*",))


def test_weights_beside_a_model_come_along(tmp_path: Path, station: Workstation) -> None:
    (tmp_path / "export").mkdir()
    network = yolo.detector(ultralytics=True)
    convert_model_to_external_data(network, location="best.weights", size_threshold=0)
    onnx.save(network, tmp_path / "export/best.onnx")
    done = draft(tmp_path / "export/best.onnx", station)
    assert done.copied == ("best.onnx", "best.weights")
    assert look_into_model(done.path / "best.onnx", station).onnx.outputs[0].shape == (1, 7, 2000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "Gate"}, "no recipe's name"),
        ({"pictures": Path("nowhere")}, "is no folder"),
        ({"pictures": Path("home")}, "no picture in home"),
        ({"answers": ("labels=nowhere.txt",)}, "nowhere.txt cannot be read"),
        ({"answers": ("labels=best.onnx",)}, "best.onnx cannot be read: it is not UTF-8"),
        ({"answers": ("threshold=0",)}, "no score"),
        ({"cameras": ("http://x",)}, "begins with rtsp"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(
    options: dict[str, object], message: str, model: Path, station: Workstation, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=message):
        draft(model, station, **options)
    assert not (tmp_path / "recipes/gate").exists() and not station.settings.fleet_file.exists()


def test_a_picture_that_is_none_is_told_and_leaves_nothing(model: Path, pictures: Path, station: Workstation) -> None:
    (pictures / "0.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(InputError, match=r"0\.png is no picture"):
        draft(model, station, pictures=pictures)
    assert not list(Path("recipes").iterdir())


def test_a_model_made_to_harm_is_refused_by_the_child(tmp_path: Path, station: Workstation) -> None:
    file = tmp_path / "bomb.onnx"
    file.write_bytes(hostile_models.function_bomb().SerializeToString())
    with pytest.raises(EngineError, match="more than 200000 nodes"):
        draft(file, station)
    file.write_bytes(np.zeros(9, np.uint8).tobytes())
    with pytest.raises(EngineError, match="no ONNX model"):
        draft(file, station)


def test_settings_that_cannot_be_written_leave_no_recipe(model: Path, station: Workstation) -> None:
    station.settings.fleet_file.parent.mkdir(parents=True, exist_ok=True)
    station.settings.fleet_file.mkdir()
    for _ in range(2):
        with pytest.raises((InputError, OSError)) as refused:
            draft(model, station, "precision=float16", cameras=("gate=rtsp://192.0.2.5/1",))
        assert "fleet.toml" in str(refused.value)
        assert not Path("recipes/gate").exists(), "the second try would find a folder of that name"
