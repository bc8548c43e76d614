"""What is said of whole pictures, and of what was found in them: classes, texts, areas, against plain loops."""

from __future__ import annotations

import dataclasses
import math
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.device.runner.loaded import LoadedEngine, Runner
from edgekit.device.runner.onnxruntime import open_runner
from edgekit.device.runner.tensors import TensorSpec, plain_inputs
from edgekit.device.runtime.stages.classify import Classify
from edgekit.device.runtime.stages.crops import Crops
from edgekit.device.runtime.stages.read import Read
from edgekit.device.runtime.stages.segment import Segment
from edgekit.errors import InputError
from edgekit.imaging.halving import halve
from edgekit.imaging.image import FrameSpec, RgbImage, RgbSpec, Yuv420Image
from edgekit.schema.plan import EnginePlan
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import ColourContract
from edgekit.stage import Detection, ModelResult, StreamInfo
from tests.fakes.frames import frame, stage_context, stream_info
from tests.fakes.networks import Network, save

LABELS = ["cat", "dog", "cow", "hen"]


def make(cls, *, contract=None, stream=None, runner=None, **options):
    raw = {"labels": LABELS, "output": "out", "activation": "none", **options}
    made = from_raw(cls.Options, raw, "recipe.toml")
    return cls(stage_context(made, contract=contract, stream=stream or stream_info(), runner=runner))


def found(stage, output) -> tuple[Detection, ...]:
    return stage(frame(result=ModelResult(outputs={"out": np.asarray(output, np.float32)}))).detections


def shares(values) -> list[float]:
    powers = [math.exp(value - max(values)) for value in values]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("seed", range(5))
def test_the_likeliest_classes(seed):
    logits = np.random.default_rng(seed).normal(0, 2, 4)
    got = found(make(Classify, top=3, threshold=0.1, activation="softmax"), logits[None, :, None, None])
    wanted = sorted(zip(shares(logits.tolist()), LABELS, strict=True), reverse=True)[:3]
    wanted = [one for one in wanted if one[0] >= 0.1]
    assert [(one.label, one.score) for one in got] == [(label, pytest.approx(score)) for score, label in wanted]
    assert (got[0].x_px, got[0].y_px, got[0].width_px, got[0].height_px) == (320, 180, 640, 360)


def test_classes_that_are_no_numbers_do_not_count():
    got = found(make(Classify, top=4), [[np.nan, 0.5, np.inf, -np.inf]])
    assert [one.label for one in got] == ["dog"]
    assert found(make(Classify, activation="softmax"), [[np.nan] * 4]) == ()
    assert [one.score for one in found(make(Classify, activation="sigmoid"), [[0, -9, -9, -9]])] == [0.5]


@pytest.mark.parametrize("cls", [Classify, Read, Segment])
def test_another_output_is_told(cls):
    contract = ColourContract(width_px=64, height_px=64, order="RGB")
    with pytest.raises(InputError, match=r"output out is .*, and 4 labels want"):
        found(make(cls, contract=contract), np.zeros((1, 3, 5, 7)))
    with pytest.raises(InputError, match="the model has no output out"):
        make(cls, contract=contract)(frame(result=ModelResult(outputs={"other": np.zeros((1, 4))})))
    for missing in ({"labels": None}, {"output": None}, {"activation": "auto"}):
        with pytest.raises(InputError, match=f"its {next(iter(missing))} is not known"):
            make(cls, contract=contract, **missing)


SIGNS = "0123456789AB"


def read(scores, blank="first", **options):
    stage = make(Read, labels=list(SIGNS), blank=blank, **options)
    return [(one.label, one.text, pytest.approx(one.score)) for one in found(stage, scores)]


def by_loop(scores: np.ndarray, blank: int) -> tuple[str, float]:
    """Best sign of each step, repeats joined, blanks left out."""
    best = [(int(row.argmax()), float(row.max())) for row in scores]
    runs = [list(group) for _, group in groupby(best, key=lambda one: one[0])]
    kept = [run[0] for run in runs if run[0][0] != blank]
    signs = [SIGNS[index - 1 if blank == 0 else index] for index, _ in kept]
    return "".join(signs), sum(score for _, score in kept) / max(1, len(kept))


@pytest.mark.parametrize("blank", ["first", "last"])
@pytest.mark.parametrize("seed", range(8))
def test_text_by_the_best_sign_of_each_step(seed, blank):
    random = np.random.default_rng(seed)
    scores = np.exp(random.normal(0, 1.5, (20, 13)))
    scores[:, 0 if blank == "first" else 12] *= 3
    scores /= scores.sum(axis=1, keepdims=True)
    text, score = by_loop(scores, 0 if blank == "first" else 12)
    assert read(scores[None], blank, threshold=0.0) == [("text", text, score)]
    assert read(scores[:, None], blank, threshold=0.0) == [("text", text, score)], "steps first, one picture"
    assert read(np.log(scores)[None], blank, threshold=0.0, activation="softmax") == [("text", text, score)]
    assert read(scores[None], blank, threshold=min(1.0, score + 0.01)) == []


def test_doubled_letters_need_a_blank_between_them_and_a_space_may_be_the_last_sign():
    def steps(*indices, count=13):
        return np.eye(count)[list(indices)][None]

    assert read(steps(2, 2, 0, 2, 0, 0, 3)) == [("text", "112", 1.0)]
    assert read(steps(0, 0)) == []
    assert read(steps(2, 13, 3, count=14)) == [("text", "1 2", 1.0)]
    spoilt = steps(2, 2, 3)
    spoilt[0, 1, 5] = np.nan
    assert read(spoilt) == [("text", "12", 1.0)]


def segment(maps, width=64, height=64, fit="stretch", **options):
    contract = ColourContract(width_px=64, height_px=64, order="RGB", fit=fit)
    stream = stream_info(spec=RgbSpec(width_px=width, height_px=height, order="RGB"))
    return found(make(Segment, contract=contract, stream=stream, **options), maps)


@pytest.mark.parametrize("seed", range(3))
def test_areas_of_classes(seed):
    random = np.random.default_rng(seed)
    maps = cv2.blur(random.normal(0, 1, (16, 16, 4)), (5, 5)).transpose(2, 0, 1)
    counts = dict.fromkeys(LABELS, 0)
    for row in range(16):
        for column in range(16):
            cell = maps[:, row, column].tolist()
            counts[LABELS[cell.index(max(cell))]] += 1
    got = segment(maps[None], ignore=["hen"], least_share=0.05)
    wanted = {label: count for label, count in counts.items() if count / 256 >= 0.05 and label != "hen"}
    assert {one.label: one.area_px for one in got} == {label: count * 16 for label, count in wanted.items()}
    assert {one.label: one.score for one in got} == {label: count / 256 for label, count in wanted.items()}
    assert [one.area_px for one in got] == sorted((one.area_px for one in got), reverse=True)


def test_parts_of_a_class_are_detections_of_their_own():
    maps = np.zeros((4, 16, 16), np.float32)
    maps[1, 1:3, 2:9], maps[1, 8:12, 8:10], maps[1, 15, 15] = 1, 1, 1
    maps[0] += 0.5
    got = segment(maps[None], parts=True, ignore=["cat"], least_share=2 / 256)
    assert [(one.label, one.area_px, one.score) for one in got] == [
        ("dog", 14 * 16, 14 / 256),
        ("dog", 8 * 16, 8 / 256),
    ]
    assert [(one.x_px, one.y_px, one.width_px, one.height_px) for one in got] == [(22, 8, 28, 8), (36, 40, 8, 16)]
    assert [len(one.outline) for one in got] == [1, 1]


def test_parts_of_ignored_classes_take_no_place_from_others():
    maps = np.zeros((2, 64, 64), np.float32)
    maps[0, ::2, ::2] = 1  # 1,024 parts of one cell, in a sea of the other class
    maps[1, 1::2, 1::2] = 1
    ignored, kept = LABELS[:2]
    maps = np.concatenate([maps, np.full((1, 64, 64), 0.5, np.float32)])
    got = segment(maps[None], labels=[ignored, kept, "sea"], parts=True, ignore=[ignored, "sea"], least_share=0)
    assert len(got) == 300 and {one.label for one in got} == {kept}


@pytest.mark.parametrize("activation", ["none", "sigmoid"])
def test_one_map_is_of_a_class_that_is_there_or_not(activation):
    scores = np.full((16, 16), 0.2, np.float32)
    scores[4:8, 0:8], scores[0, 0] = 0.7, np.nan
    given = scores if activation == "none" else np.log(scores / (1 - scores))
    (one,) = segment(given[None, None], labels=["text"], activation=activation, threshold=0.6)
    assert (one.label, one.area_px, one.height_px) == ("text", 32 * 16, 16)
    assert segment(given[None, None], labels=["text"], activation=activation, threshold=0.8) == ()


def test_an_area_lies_where_it_is_and_bars_do_not_count():
    """128x64 in 64x64: half as large, 16 pixels of bar above and below; a map with a cell for each 4 pixels."""
    maps = np.zeros((4, 16, 16))
    maps[1] = 0.5
    maps[2, 6:10, 8:12] = 1
    maps[3, :4] = maps[3, 12:] = 9
    dog, cow = segment(maps[None], 128, 64, "letterbox")
    assert (dog.label, dog.score, dog.area_px) == ("dog", 1 - 16 / 128, 7 * 1024)
    assert (cow.label, cow.x_px, cow.y_px, cow.width_px, cow.height_px) == ("cow", 80, 32, 32, 32)
    assert cow.area_px == 16 * 64
    maps[:, 8, 8] = np.nan
    assert segment(maps[None], 128, 64, "letterbox")[1].area_px == 15 * 64


CONTRACT = ColourContract(width_px=8, height_px=8, order="RGB", scale=1 / 255)
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def colour_model(folder: Path, batch: int = 1):
    """Says which colour a crop is: the mean of each channel."""
    net = Network(0)
    net.node("GlobalAveragePool", ["images"], "mean")
    net.ints(np.array([batch, 3]), "shape")
    net.node("Reshape", ["mean", "shape"], "out")
    save(net.model((batch, 3, 8, 8), {"out": (batch, 3)}), folder / "colour.onnx")
    contract = dataclasses.replace(CONTRACT, batch=batch)
    return open_runner(EnginePlan(runner="onnxruntime", path="", input=contract, threads=1), folder / "colour.onnx")


def drawn(*boxes: tuple[str, int, int, int, int]) -> np.ndarray:
    pixels = np.zeros((120, 200, 3), np.uint8)
    for colour, left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = COLOURS[colour]
    return pixels


def box(left, top, right, bottom, label="car", *, score=0.9) -> Detection:
    return Detection(
        label=label,
        x_px=(left + right) / 2,
        y_px=(top + bottom) / 2,
        width_px=right - left,
        height_px=bottom - top,
        score=score,
    )


BOXES = (("red", 10, 10, 40, 30), ("green", 60, 20, 100, 80), ("blue", 150, 90, 200, 120))


def crops(runner, left_px=0, top_px=0, spec=None, scale=1, **options):
    stream = StreamInfo(
        name="cam",
        spec=spec or RgbSpec(width_px=200, height_px=120, order="RGB"),
        fps=1.0,
        left_px=left_px,
        top_px=top_px,
        scale=scale,
    )
    options = {"labels": list(COLOURS), "reads": "class", **options}
    return make(Crops, contract=CONTRACT, stream=stream, runner=runner, **options)


def looked(stage, detections, image) -> list[str]:
    seen = stage(frame(image=image, detections=tuple(detections))).detections
    assert [one.x_px for one in seen] == [one.x_px for one in detections], "in their order"
    return [one.attributes[0].value if one.attributes else "" for one in seen]


def test_each_detection_is_looked_at_by_itself(tmp_path):
    image = RgbImage(pixels=drawn(*BOXES), order="RGB")
    detections = [box(*rest) for _, *rest in BOXES]
    stage = crops(colour_model(tmp_path))
    assert looked(stage, detections, image) == ["red", "green", "blue"]
    (first, *_) = stage(frame(image=image, detections=tuple(detections))).detections
    assert (first.attributes[0].name, first.attributes[0].score) == ("stage", pytest.approx(1.0, abs=0.01))


def test_in_a_region_of_interest_and_in_a_decoders_picture(tmp_path):
    pixels = drawn(*BOXES)
    i420 = cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420)
    y, u, v = i420[:120], i420[120:150].reshape(60, 100), i420[150:].reshape(60, 100)
    spec = FrameSpec(width_px=200, height_px=120, matrix="601", range="limited")
    image = Yuv420Image(y=y, u=u, v=v, spec=spec)
    stage = crops(colour_model(tmp_path), 1000, 500, spec)
    moved = [box(left + 1000, top + 500, right + 1000, bottom + 500) for _, left, top, right, bottom in BOXES]
    assert looked(stage, moved, image) == ["red", "green", "blue"]


def test_detections_are_found_in_pictures_of_half_the_size(tmp_path):
    """While memory is tight; they stand in the camera's pixels."""
    image = halve(RgbImage(pixels=drawn(*BOXES), order="RGB"))
    stage = crops(colour_model(tmp_path), 1000, 500, image.spec, scale=2)
    moved = [box(left + 1000, top + 500, right + 1000, bottom + 500) for _, left, top, right, bottom in BOXES]
    assert looked(stage, moved, image) == ["red", "green", "blue"]


def test_what_is_said_of_a_picture_of_half_the_size_is_said_of_all_of_it():
    stream = dataclasses.replace(stream_info(), left_px=100, top_px=50, scale=2)
    (got, *_) = found(make(Classify, stream=stream, threshold=0.1), [[0.9, 0.5, 0.2, 0.1]])
    assert (got.x_px, got.y_px, got.width_px, got.height_px) == (740, 410, 1280, 720)


def test_which_are_looked_at(tmp_path):
    image, runner = RgbImage(pixels=drawn(*BOXES), order="RGB"), colour_model(tmp_path)
    plain = [box(*rest) for _, *rest in BOXES]
    other = [box(*BOXES[0][1:], "dog"), box(*BOXES[1][1:], score=0.5), box(*BOXES[2][1:], score=0.8)]
    assert looked(crops(runner, of=["car"]), other, image) == ["", "green", "blue"]
    assert looked(crops(runner, most=2), other, image) == ["red", "", "blue"]
    assert looked(crops(runner, min_px=25), plain, image) == ["", "green", "blue"]
    assert looked(crops(runner, threshold=1.0, margin=1.0), plain, image) == ["", "", ""], "surroundings count"
    assert looked(crops(runner), [], image) == []
    beside = [box(300, 300, 340, 340), box(-90, -90, -50, -50), box(10.2, 10.2, 39, 29), box(0, 0, 5000, 5000)]
    assert looked(crops(runner), beside, image)[:3] == ["", "", "red"]


class Batched:
    """An engine with places for four, which says the mean of each; a place that nobody filled holds what it held."""

    def __init__(self):
        spec = TensorSpec(name="images", shape=(4, 3, 8, 8), dtype=np.dtype(np.float32))
        self.inputs = plain_inputs([spec])
        self.runs = 0
        self.runner = Runner(
            LoadedEngine(
                inputs=(spec,),
                outputs=(TensorSpec(name="out", shape=(4, 3), dtype=np.dtype(np.float32)),),
                picture="images",
                contexts=(self,),
                spare=(plain_inputs([spec]),),
                close=lambda: None,
                hint="",
            )
        )

    def accepts(self, _inputs):
        return True

    def start(self, inputs):
        self.runs += 1
        self._mean = inputs.arrays["images"].mean(axis=(2, 3))

    def finish(self):
        return {"out": self._mean}

    def cancel(self):
        pass


def test_as_many_at_once_as_the_batch_has_places(tmp_path):
    colours = [tuple(COLOURS)[index % 3] for index in range(9)]
    places = [(colour, 20 * index, 0, 20 * index + 20, 20) for index, colour in enumerate(colours)]
    image, detections = RgbImage(pixels=drawn(*places), order="RGB"), [box(*rest) for _, *rest in places]
    engine = Batched()
    assert looked(crops(engine.runner), detections, image) == colours
    assert engine.runs == 3
    assert looked(crops(colour_model(tmp_path)), detections, image) == colours
    assert looked(crops(colour_model(tmp_path, batch=4)), detections, image) == colours


def test_text_of_a_detection():
    class Reads:
        picture = "images"

        def lend(self):
            return {"images": np.zeros((1, 3, 8, 8), np.float32)}

        def infer(self, tensors):
            return {"out": np.eye(13, dtype=np.float32)[[3, 0, 4]][None] * (tensors["images"].max() > 0)}

    stage = crops(Reads(), labels=list(SIGNS), reads="text")
    image = RgbImage(pixels=drawn(BOXES[0]), order="RGB")
    red, black = stage(frame(image=image, detections=(box(10, 10, 40, 30), box(60, 60, 90, 90)))).detections
    assert (red.text, red.attributes[0].value) == ("23", "23")
    assert (black.text, black.attributes) == ("", ())
