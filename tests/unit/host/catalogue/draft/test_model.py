"""What a model's file tells of a recipe, what is asked, and what is refused by name."""

from __future__ import annotations

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.exporter import ExporterSays, read_metadata
from edgekit.host.catalogue.draft.facts import ModelFacts, TensorFacts
from edgekit.host.catalogue.draft.head import DraftHead, recognise_head
from edgekit.host.catalogue.draft.picture import draft_picture
from edgekit.host.catalogue.draft.question import Answers, parse_answers
from edgekit.schema.recipe import ColourContract

ULTRALYTICS = {
    "author": "Ultralytics",
    "version": "8.2.46",
    "task": "detect",
    "imgsz": "[320, 480]",
    "stride": "32",
    "names": "{0: 'person', 1: \"driver's seat\", 2: 'car, red'}",
}
NONE = ExporterSays()


def model(
    shape: tuple[int, ...] = (1, 3, 320, 480), dtype: str = "float32", *outputs: tuple[int, ...], count: int = 1
) -> ModelFacts:
    given = tuple(TensorFacts(name=f"images{index or ''}", dtype=dtype, shape=shape) for index in range(count))
    made = tuple(TensorFacts(name=f"output{index}", dtype="float32", shape=one) for index, one in enumerate(outputs))
    return ModelFacts(inputs=given, outputs=made, opset=17, metadata={})


def picture(facts: ModelFacts, says: ExporterSays = NONE, **given: str) -> tuple[ColourContract | None, list[str]]:
    answers = Answers(given=given)
    found = draft_picture(facts, says, answers)
    return found, [question.key for question in answers.open]


def test_ultralytics_says_all_that_its_models_want() -> None:
    says = read_metadata(ULTRALYTICS)
    assert (says.program, says.task, says.size) == ("Ultralytics 8.2.46", "detect", (480, 320))
    assert says.labels == ("person", "driver's seat", "car, red")
    found, asked = picture(model((0, 3, 0, 0)), says)
    assert asked == []
    assert found == ColourContract(width_px=480, height_px=320, order="RGB", scale=1 / 255, fit="letterbox")


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ('{"0": "cat", "1": "dog"}', ("cat", "dog")),
        ("{0: 'cat', 2: 'dog'}", ()),
        ("{0: 'a\\nb'}", ()),
        ("__import__('os').system('true')", ()),
        ("{0: __import__('os')}", ()),
        ("(" * 100_000, ()),
        ("", ()),
    ],
)
def test_names_are_read_as_texts_and_never_run(names: str, labels: tuple[str, ...]) -> None:
    assert read_metadata({**ULTRALYTICS, "names": names}).labels == labels


@pytest.mark.parametrize(("text", "size"), [("640", (640, 640)), ("[64]", None), ("x", None), ("9" * 99, None)])
def test_sizes(text: str, size: object) -> None:
    assert read_metadata({"imgsz": text}).size == size


def test_a_model_of_an_unknown_exporter_is_asked_about() -> None:
    found, asked = picture(model(), read_metadata({"author": "somebody", "imgsz": "640"}))
    assert (found, asked) == (None, ["order", "pixels", "fit"])
    found, asked = picture(model(), order="BGR", pixels="imagenet", fit="stretch")
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
    assert sorted(picture(model(shape, dtype))[1]) == sorted(asked)


def test_bytes_and_channels_last_are_seen() -> None:
    found, _ = picture(model((1, 64, 96, 3), "uint8"), order="RGB", fit="letterbox")
    assert found is not None
    assert (found.layout, found.dtype, found.width_px, found.height_px) == ("NHWC", "uint8", 96, 64)
    grey, _ = picture(model((1, 1, 64, 64)), pixels="-1..1", fit="stretch")
    assert grey is not None and (grey.order, grey.mean, grey.scale) == ("GRAY", 127.5, 1 / 127.5)


@pytest.mark.parametrize(
    ("facts", "given", "message"),
    [
        (model((1, 3, 9, 9), count=2), {}, "2 inputs"),
        (model((1, 80)), {}, "no picture in a batch"),
        (model((1, 3, 9, 9), "int64"), {}, "no picture of that type"),
        (model(), {"order": "rgb"}, "none of RGB, BGR"),
        (model(), {"size": "640x640"}, "not 640x640"),
        (model((1, 3, 0, 0)), {"size": "640"}, "no width and height"),
        (model((1, 3, 0, 0)), {"size": "9999x9"}, "no width and height"),
        (model((1, 1, 9, 9)), {"pixels": "imagenet", "fit": "stretch"}, "is for colours"),
    ],
)
def test_inputs_and_answers_that_do_not_fit_are_told(facts: ModelFacts, given: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        picture(facts, **given)


def head(facts: ModelFacts, says: ExporterSays = NONE, *labels: str) -> tuple[DraftHead | None, list[str]]:
    answers = Answers(given={})
    found = recognise_head(facts, says, answers, labels)
    return found, [question.key for question in answers.open]


@pytest.mark.parametrize("shape", [(1, 7, 2100), (1, 2100, 7), (0, 7, 0), (0, 0, 0)])
def test_the_layout_of_yolov8_is_recognised_by_its_classes(shape: tuple[int, ...]) -> None:
    found, asked = head(model((1, 3, 320, 320), "float32", shape), read_metadata(ULTRALYTICS))
    assert asked == [] and found is not None
    assert (found.output, found.labels[0]) == ("output0", "person")
    assert head(model((), "float32", shape), NONE, "a", "b", "c")[0] == DraftHead(
        output="output0", labels=("a", "b", "c")
    )


def test_labels_that_nobody_says_are_asked() -> None:
    assert head(model((), "float32", (1, 84, 8400))) == (None, ["labels"])


@pytest.mark.parametrize(
    ("outputs", "metadata", "labels", "message"),
    [
        ([(1, 300, 6)], {}, (), "end-to-end head, as YOLOv10's"),
        ([(1, 25200, 85)], {}, (), "anchors come first, as YOLOv5's"),
        ([(1, 25200, 85)], {}, ("a",) * 80, "YOLOv5's head, or YOLOX's"),
        ([(1, 116, 8400), (1, 32, 160, 160)], ULTRALYTICS | {"task": "segment"}, (), "exported for 'segment'"),
        ([(1, 116, 8400), (1, 32, 160, 160)], {}, (), "not the one output"),
        ([(1, 1000)], {}, (), "not the one output"),
        ([(1, 56, 8400)], ULTRALYTICS | {"task": "pose"}, (), "exported for 'pose'"),
        ([(1, 84, 8400)], {}, ("a", "b"), "leave room for 80 classes"),
        ([(1, 22, 0)], ULTRALYTICS, (), "leave room for 18 classes"),
    ],
)
def test_other_heads_are_refused_by_name(outputs: list, metadata: dict, labels: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        head(model((), "float32", *outputs), read_metadata(metadata), *labels)


def test_answers_are_known_keys_with_values() -> None:
    assert parse_answers(["order=RGB", "labels=a=b.txt"]) == {"order": "RGB", "labels": "a=b.txt"}
    with pytest.raises(InputError, match="did you mean order"):
        parse_answers(["ordr=RGB"])
    for text in ("order", "order=", "=RGB"):
        with pytest.raises(InputError, match="KEY=VALUE"):
            parse_answers([text])
