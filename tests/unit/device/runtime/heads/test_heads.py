"""Every head against a plain loop over the same numbers, one by one, and on outputs that no model should give."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from edgekit.device.runtime.heads.candidates import MOST_CANDIDATES
from edgekit.device.runtime.heads.table import FINISHED, HEADS
from edgekit.device.runtime.stages.detect import Detect
from edgekit.errors import InputError
from edgekit.imaging.image import RgbSpec
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import ColourContract
from edgekit.schema.stages.detect import DetectOptions
from edgekit.stage import Detection, ModelResult
from tests.fakes.frames import frame, stage_context, stream_info
from tests.fakes.head_loops import CLASSES, LOOPS, SIZE, kept, ssd

LABELS = ("person", "car", "dog")
GRIDS = (8, 4, 2)
COUNT = sum(side * side for side in GRIDS)
Outputs = list[np.ndarray]


def boxes(random: np.random.Generator, count: int) -> np.ndarray:
    """[count, 4]: middle and size, in crowds."""
    middles = random.uniform(0, SIZE, (count // 6 + 1, 2)).repeat(6, axis=0)[:count] + random.normal(0, 2, (count, 2))
    return np.concatenate([middles, random.uniform(4, 30, (count, 2))], axis=1)


def cornered(box: np.ndarray) -> np.ndarray:
    return np.concatenate([box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2], axis=1)


def chances(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.uniform(0, 1, shape) ** 2


def maps(random: np.random.Generator, *channels: Callable[..., np.ndarray]) -> Outputs:
    return [make(random, side) for side in GRIDS for make in channels]


def _boxed(random: np.random.Generator, *more: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes(random, COUNT), *more], axis=1)


def _yolox(random: np.random.Generator) -> np.ndarray:
    return np.concatenate([random.normal(0, 0.5, (COUNT, 4)), chances(random, COUNT, 1 + CLASSES)], axis=1)


def _listed(random: np.random.Generator) -> Outputs:
    box = cornered(boxes(random, 40))[:, [1, 0, 3, 2]] / SIZE
    return [box, chances(random, 40), random.integers(1, CLASSES + 1, 40), np.array(33)]


MAKERS: dict[str, Callable[[np.random.Generator], Outputs]] = {
    "yolov8": lambda random: [_boxed(random, chances(random, COUNT, CLASSES)).T],
    "yolov5": lambda random: [_boxed(random, chances(random, COUNT, 1 + CLASSES))],
    "yolox": lambda random: [_yolox(random)],
    "rtdetr": lambda random: [np.concatenate([boxes(random, 50) / SIZE, chances(random, 50, CLASSES)], axis=1)],
    "end2end": lambda random: [
        np.concatenate(
            [cornered(boxes(random, 50)), chances(random, 50, 1), random.integers(0, CLASSES, (50, 1))], axis=1
        )
    ],
    "nanodet": lambda random: [np.concatenate([chances(random, COUNT, CLASSES), random.normal(0, 2, (COUNT, 32))], 1)],
    "split_maps": lambda random: maps(
        random, lambda r, side: r.normal(0, 2, (64, side, side)), lambda r, side: chances(r, CLASSES, side, side)
    ),
    "yolox_maps": lambda random: maps(
        random,
        lambda r, side: np.concatenate([r.normal(0, 0.5, (4, side, side)), chances(r, 1 + CLASSES, side, side)]),
    ),
    "yolov5_maps": lambda random: maps(random, lambda r, side: r.normal(0, 1.5, (3 * (5 + CLASSES), side, side))),
    "detr": lambda random: [random.normal(-1, 2, (50, CLASSES)), boxes(random, 50) / SIZE],
    "listed": _listed,
    "boxes_scores": lambda random: [cornered(boxes(random, COUNT)), chances(random, COUNT, CLASSES)],
}
OPTIONS: dict[str, dict[str, object]] = {
    "detr": {"activation": "sigmoid", "unit": "fraction", "corners": "middle_size"},
    "listed": {"unit": "fraction", "corners": "top_left_bottom_right", "background": "first"},
    "yolov5_maps": {"activation": "sigmoid"},
}


def stage(head: str, count: int, **options: object) -> Detect:
    """A stage whose pictures are as large as the model's input."""
    contract = ColourContract(width_px=SIZE, height_px=SIZE, order="RGB")
    raw = {
        "head": head,
        "labels": list(LABELS),
        "outputs": [f"out{index}" for index in range(count)],
        **OPTIONS.get(head, {}),
        **options,
    }
    stream = stream_info(spec=RgbSpec(width_px=SIZE, height_px=SIZE, order="RGB"))
    return Detect(stage_context(from_raw(DetectOptions, raw, "recipe.toml"), stream=stream, contract=contract))


def find(made: Detect, outputs: Outputs) -> tuple[Detection, ...]:
    named = {f"out{index}": np.asarray(output, np.float32)[None] for index, output in enumerate(outputs)}
    return made(frame(result=ModelResult(outputs=named))).detections


def check(found: tuple[Detection, ...], wanted: list[tuple[float, int, tuple[float, ...]]]) -> None:
    cut = [(score, label, np.clip(box, 0, SIZE)) for score, label, box in wanted]
    cut = [one for one in cut if one[2][2] > one[2][0] and one[2][3] > one[2][1]]
    assert [one.label for one in found] == [LABELS[label] for _, label, _ in cut]
    for one, (score, _, box) in zip(found, cut, strict=True):
        assert one.score == pytest.approx(score, abs=1e-5)
        corners = (one.x_px - one.width_px / 2, one.y_px - one.height_px / 2)
        assert (*corners, one.width_px, one.height_px) == pytest.approx((*box[:2], *(box[2:] - box[:2])), abs=2e-3)


def test_every_head_has_a_loop_beside_it() -> None:
    assert set(MAKERS) == set(LOOPS) == set(HEADS) - {"ssd"}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("head", MAKERS)
def test_it_finds_what_the_loop_finds(head: str, seed: int) -> None:
    outputs = [np.float32(one) for one in MAKERS[head](np.random.default_rng(seed))]
    overlap = None if head in FINISHED else 0.45
    wanted = kept(LOOPS[head](outputs), 0.25, overlap)
    assert wanted
    check(find(stage(head, len(outputs), most=10_000), outputs), wanted)


@pytest.mark.parametrize("seed", range(3))
def test_ssd_finds_what_the_loop_finds(tmp_path, seed: int) -> None:
    random = np.random.default_rng(seed)
    priors = boxes(random, 60).astype(np.float32) / SIZE
    np.save(tmp_path / "priors.npy", priors)
    outputs = [random.normal(0, 1, (60, 4)), random.normal(0, 3, (60, CLASSES + 1))]
    raw = {
        "head": "ssd",
        "labels": list(LABELS),
        "outputs": ["out0", "out1"],
        "activation": "softmax",
        "background": "first",
        "priors": "priors.npy",
    }
    options, contract = from_raw(DetectOptions, raw, ""), ColourContract(width_px=SIZE, height_px=SIZE, order="RGB")
    stream = stream_info(spec=RgbSpec(width_px=SIZE, height_px=SIZE, order="RGB"))
    made = Detect(stage_context(options, stream=stream, contract=contract, release=tmp_path))
    check(find(made, outputs), kept(ssd(outputs, priors), 0.25, 0.45))
    with pytest.raises(InputError, match="wants \\[1, 60, 4\\]"):
        find(made, [outputs[0][:9], outputs[1][:9]])
    (tmp_path / "priors.npy").write_bytes(b"no numbers")
    with pytest.raises(InputError, match=r"priors\.npy"):
        Detect(stage_context(options, stream=stream, contract=contract, release=tmp_path))


@pytest.mark.parametrize("head", MAKERS)
def test_a_picture_of_a_batch_is_the_same_as_alone(head: str) -> None:
    batch = [MAKERS[head](np.random.default_rng(seed)) for seed in (1, 2, 3)]
    made = stage(head, len(batch[0]))
    joined = {
        f"out{index}": np.stack(arrays).astype(np.float32) for index, arrays in enumerate(zip(*batch, strict=True))
    }
    for picture, alone in enumerate(batch):
        assert made._decoder.find(joined, made._fit, picture) == find(made, alone)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("head", MAKERS)
def test_what_is_no_number_is_left_out_and_nothing_else(head: str, bad: float) -> None:
    """Every other value of one output is spoilt: what is found holds numbers alone, and nothing breaks."""
    outputs = [np.array(one, np.float32) for one in MAKERS[head](np.random.default_rng(7))]
    for output in outputs:
        output.reshape(-1)[:: 5 if output.ndim else 1] = bad
    for one in find(stage(head, len(outputs)), outputs):
        numbers = (one.x_px, one.y_px, one.width_px, one.height_px, one.score)
        assert np.isfinite(numbers).all()
        assert 0 <= one.score <= 1


@pytest.mark.parametrize("head", MAKERS)
def test_an_output_of_another_shape_or_name_is_told(head: str) -> None:
    outputs = MAKERS[head](np.random.default_rng(0))
    made = stage(head, len(outputs))
    with pytest.raises(InputError, match=f"out0 is .*, and {head} with 3 labels wants|out1 is .*, and {head}"):
        find(made, [np.zeros((13, 17)), *outputs[1:]])
    with pytest.raises(InputError, match="the model has no output out0"):
        made(frame(result=ModelResult(outputs={"other": np.zeros((1, 7, 11), np.float32)})))


@pytest.mark.parametrize("head", ["yolov8", "yolov5", "rtdetr", "end2end", "boxes_scores"])
def test_a_hundred_thousand_candidates_are_bounded(head: str) -> None:
    random = np.random.default_rng(0)
    count = 100_000
    box, scores = cornered(random.uniform(8, 50, (count, 4))), random.uniform(0.3, 1, (count, CLASSES))
    given = {
        "yolov8": [np.concatenate([box, scores], axis=1).T],
        "yolov5": [np.concatenate([box, np.ones((count, 1)), scores], axis=1)],
        "rtdetr": [np.concatenate([box / SIZE, scores], axis=1)],
        "end2end": [np.concatenate([box, scores[:, :1], np.zeros((count, 1))], axis=1)],
        "boxes_scores": [box, scores],
    }[head]
    found = find(stage(head, len(given), most=100_000, iou=1.0), given)
    assert len(found) <= MOST_CANDIDATES
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize("head", ["yolov8", "yolov5", "rtdetr", "end2end", "boxes_scores"])
def test_a_list_of_nothing(head: str) -> None:
    width = {"yolov8": 7, "yolov5": 8, "rtdetr": 7, "end2end": 6}.get(head)
    empty = [np.zeros((0, width))] if width else [np.zeros((0, 4)), np.zeros((0, CLASSES))]
    assert find(stage(head, len(empty)), empty) == ()


def test_a_class_that_the_model_cannot_have_chosen_is_left_out() -> None:
    rows = [(10, 10, 20, 20, 0.9, label) for label in (-1, 0, 2, 3, 1e9, np.nan)]
    assert [one.label for one in find(stage("end2end", 1), [np.array(rows)])] == ["person", "dog"]


def test_a_count_beyond_the_list_is_the_whole_list() -> None:
    box, scores, labels, _ = _listed(np.random.default_rng(0))
    made = partial(find, stage("listed", 4, threshold=0.001))
    assert made([box, scores, labels, np.array(1e9)]) == made([box, scores, labels, np.array(40)])
    assert made([box, scores, labels, np.array(-3)]) == ()
    assert made([box, scores, labels, np.array(np.nan)]) == ()
