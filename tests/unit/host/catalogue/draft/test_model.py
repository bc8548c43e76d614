"""What a model's file tells of a recipe, what is asked, and what is refused by name."""

from __future__ import annotations

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.exporter import ExporterSays, read_metadata
from edgekit.host.catalogue.draft.facts import InputFacts
from edgekit.host.catalogue.draft.head import draft_head
from edgekit.host.catalogue.draft.picture import draft_picture
from edgekit.host.catalogue.draft.question import Answers, parse_answers
from edgekit.schema.heads.facts import HeadFacts, OutputFacts
from edgekit.schema.recipe import ColourContract

ULTRALYTICS = {"author": "Ultralytics", "version": "8.2.46", "task": "detect", "imgsz": "[320, 480]", "stride": "32"}
NONE = ExporterSays()


def images(shape: tuple[int, ...] = (1, 3, 320, 480), dtype: str = "float32", count: int = 1) -> tuple[InputFacts, ...]:
    return tuple(InputFacts(name=f"images{index or ''}", dtype=dtype, shape=shape) for index in range(count))


def picture(
    inputs: tuple[InputFacts, ...], says: ExporterSays = NONE, **given: str
) -> tuple[ColourContract | None, list[str]]:
    answers = Answers(given=given)
    found = draft_picture(inputs, says, answers)
    return found, [question.key for question in answers.open]


def test_ultralytics_says_all_that_its_models_want() -> None:
    says = read_metadata(ULTRALYTICS)
    assert (says.program, says.size) == ("Ultralytics 8.2.46", (480, 320))
    found, asked = picture(images((0, 3, 0, 0)), says)
    assert asked == []
    assert found == ColourContract(width_px=480, height_px=320, order="RGB", scale=1 / 255, fit="letterbox", bars=114)


@pytest.mark.parametrize(("text", "size"), [("640", (640, 640)), ("[64]", None), ("x", None), ("9" * 99, None)])
def test_sizes(text: str, size: object) -> None:
    assert read_metadata({"imgsz": text}).size == size


def test_a_model_of_an_unknown_exporter_is_asked_about() -> None:
    found, asked = picture(images(), read_metadata({"author": "somebody", "imgsz": "640"}))
    assert (found, asked) == (None, ["order", "pixels", "fit"])
    found, asked = picture(images(), order="BGR", pixels="imagenet", fit="stretch")
    assert asked == [] and found is not None
    assert (found.order, found.mean) == ("BGR", (103.53, 116.28, 123.675))
    assert found.scales == pytest.approx([1 / 57.375, 1 / 57.12, 1 / 58.395], rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "dtype", "asked"),
    [
        ((0, 3, 0, 0), "float32", ["size", "order", "pixels", "fit"]),
        ((1, 0, 0, 0), "float32", ["layout", "pixels", "order", "fit"]),
        ((1, 3, 3, 3), "float32", ["layout", "order", "pixels", "fit"]),
        ((1, 96, 96, 1), "float32", ["pixels", "fit"]),
        ((1, 64, 64, 3), "uint8", ["order", "fit"]),
    ],
)
def test_what_a_shape_does_not_say_is_asked(shape: tuple[int, ...], dtype: str, asked: list[str]) -> None:
    assert sorted(picture(images(shape, dtype))[1]) == sorted(asked)


def test_a_letterbox_without_its_bars_is_asked_about() -> None:
    assert picture(images(), order="RGB", pixels="0..1", fit="letterbox") == (None, ["bars"])
    found, asked = picture(images(), order="RGB", pixels="0..1", fit="letterbox", bars="114")
    assert asked == [] and found is not None and (found.bars, found.align) == (114, "centre")


def test_bytes_and_channels_last_are_seen() -> None:
    found, _ = picture(images((1, 64, 96, 3), "uint8"), order="RGB", fit="letterbox", bars="0", align="top_left")
    assert found is not None
    assert (found.layout, found.dtype, found.width_px, found.height_px) == ("NHWC", "uint8", 96, 64)
    assert (found.bars, found.align) == (0, "top_left")
    grey, _ = picture(images((1, 1, 64, 64)), pixels="-1..1", fit="stretch")
    assert grey is not None and (grey.order, grey.mean, grey.scale) == ("GRAY", 127.5, 1 / 127.5)


@pytest.mark.parametrize(
    ("inputs", "given", "message"),
    [
        (images((1, 3, 9, 9), count=2), {}, "2 inputs"),
        (images((1, 80)), {}, "no picture in a batch"),
        (images((1, 3, 9, 9), "int64"), {}, "no picture of that type"),
        (images(), {"order": "rgb"}, "none of RGB, BGR"),
        (images(), {"size": "640x640"}, "not 640x640"),
        (images(), {"order": "RGB", "pixels": "0..1", "fit": "letterbox", "bars": "256"}, "no brightness"),
        (images((1, 3, 0, 0)), {"size": "640"}, "no width and height"),
        (images((1, 3, 0, 0)), {"size": "9999x9"}, "no width and height"),
        (images((1, 1, 9, 9)), {"pixels": "imagenet", "fit": "stretch"}, "is for colours"),
    ],
)
def test_inputs_and_answers_that_do_not_fit_are_told(
    inputs: tuple[InputFacts, ...], given: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        picture(inputs, **given)


def head(shape: tuple[int, ...], classes: int | None = None, **given: str) -> tuple[str | None, list[str]]:
    facts = HeadFacts(outputs=(OutputFacts(name="output0", shape=shape),), width_px=640, height_px=640, classes=classes)
    answers = Answers(given=given)
    found = draft_head(facts, answers, "best.onnx")
    return found and (found.head or found.kind), [question.key for question in answers.open]


@pytest.mark.parametrize(
    ("shape", "classes", "name"),
    [
        ((1, 84, 8400), 80, "yolov8"),
        ((1, 25200, 85), 80, "yolov5"),
        ((1, 300, 6), 80, "end2end"),
        ((1, 1000), 1000, "classify"),
        ((1, 19, 640, 640), 19, "segment"),
    ],
)
def test_heads_are_told_by_their_outputs(shape: tuple[int, ...], classes: int, name: str) -> None:
    assert head(shape, classes) == (name, [])


def test_labels_that_nobody_says_are_asked_with_their_number() -> None:
    assert head((1, 84, 8400)) == (None, ["labels"])
    answers = Answers(given={})
    outputs = (OutputFacts(name="o", shape=(1, 84, 8400)),)
    draft_head(HeadFacts(outputs=outputs, width_px=640, height_px=640), answers, "x")
    assert "80 classes" in answers.open[0].about


def test_a_head_that_may_be_another_is_asked() -> None:
    assert head((1, 8400, 85), 80) == (None, ["head"])
    assert head((1, 8400, 85), 80, head="yolox") == ("yolox", [])
    with pytest.raises(InputError, match="none of yolov5, yolox"):
        head((1, 8400, 85), 80, head="ssd")


def test_what_makes_a_lone_score_is_asked_where_its_operator_does_not_tell() -> None:
    assert head((1, 1), 1) == (None, ["activation"])
    assert head((1, 1), 1, activation="sigmoid") == ("classify", [])


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((1, 84, 8400), 2, "with 2 labels"),
        ((1, 5, 5, 5, 5), 1, "output0"),
    ],
)
def test_other_outputs_are_refused_by_name(shape: tuple[int, ...], classes: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        head(shape, classes)
    assert "best.onnx" in raised.value.message


def test_answers_are_known_keys_with_values() -> None:
    assert parse_answers(["order=RGB", "labels=a=b.txt"]) == {"order": "RGB", "labels": "a=b.txt"}
    with pytest.raises(InputError, match="did you mean order"):
        parse_answers(["ordr=RGB"])
    for text in ("order", "order=", "=RGB"):
        with pytest.raises(InputError, match="KEY=VALUE"):
            parse_answers([text])
