"""Heads with boxes in one output and scores in another: DETR, DAMO-YOLO, PP-YOLOE, YOLO-NAS, SSD, finished lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgekit.device.runtime.heads.candidates import Floats, Indices, Level, corners
from edgekit.device.runtime.heads.setup import HeadSetup


def detr(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """Scores [n, classes] and boxes [n, 4], middle and size in 0..1: DETR and RT-DETR as Transformers exports them."""
    return [_level(setup, _fours(setup, 1, outputs[1]), outputs[0], 0)]


def boxes_scores(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """Boxes [n, 4] and scores [n, classes] or [classes, n]."""
    return [_level(setup, _fours(setup, 0, outputs[0]), outputs[1], 1)]


def ssd(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """Offsets [n, 4] from priors, and scores [n, classes]. Source: weiliu89/caffe, ssd, bbox_util.cpp, DecodeBBox."""
    offsets, priors = _fours(setup, 0, outputs[0]), setup.priors
    if priors is None or len(priors) != len(offsets):
        count = 0 if priors is None else len(priors)
        raise setup.wrong(0, outputs[0], f"[1, {count}, 4], as many as there are priors")
    places, sizes = (np.float32(one) for one in setup.options.variances)
    known, scale = priors, np.tile(setup.size, 2)

    def boxes(some: Indices) -> Floats:
        middles = known[some, :2] + offsets[some, :2] * places * known[some, 2:]
        with np.errstate(over="ignore"):
            return corners(middles, known[some, 2:] * np.exp(offsets[some, 2:] * sizes)) * scale

    return [Level(scores=_scores(setup, 1, outputs[1], len(offsets)), background=setup.background, boxes=boxes)]


def listed(setup: HeadSetup, outputs: Sequence[Floats]) -> list[Level]:
    """Boxes [n, 4], scores [n], classes [n], and perhaps how many count: as the model has suppressed them itself."""
    boxes, scores, chosen = _fours(setup, 0, outputs[0]), outputs[1].reshape(1, -1), outputs[2].reshape(-1)
    if not len(boxes) == scores.shape[1] == len(chosen):
        raise setup.wrong(0, outputs[0], f"[1, {scores.shape[1]}, 4], a box for each score and class")
    if len(outputs) > 3:
        count = outputs[3].reshape(-1)
        there = int(np.clip(np.nan_to_num(count[0]), 0, len(boxes))) if len(count) else 0
        boxes, scores, chosen = boxes[:there], scores[:, :there], chosen[:there]
    if setup.background == 0:
        chosen = chosen - 1
    return [Level(scores=scores, chosen=chosen, boxes=_cornered(setup, boxes))]


def _level(setup: HeadSetup, boxes: Floats, scores: Floats, index: int) -> Level:
    """Boxes [n, 4] with their scores, which are output `index`."""
    rows = _scores(setup, index, scores, len(boxes))
    return Level(scores=rows, background=setup.background, boxes=_cornered(setup, boxes))


def _fours(setup: HeadSetup, index: int, output: Floats) -> Floats:
    """[n, 4] of [n, 4] or [n, 1, 4]."""
    if output.shape[-1:] != (4,):
        raise setup.wrong(index, output, "[1, candidates, 4]")
    return output.reshape(-1, 4)


def _scores(setup: HeadSetup, index: int, output: Floats, count: int) -> Floats:
    """[classes, n], whichever way round they are."""
    squeezed = output.reshape(output.shape[0], -1) if output.ndim != 2 and output.size else output
    if squeezed.shape == (count, setup.rows):
        return squeezed.T
    if squeezed.shape == (setup.rows, count):
        return squeezed
    raise setup.wrong(index, output, f"[1, {count}, {setup.rows}]")


def _cornered(setup: HeadSetup, boxes: Floats) -> Callable[[Indices], Floats]:
    """Boxes as the options describe them become corners in pixels."""
    scale = np.tile(setup.size, 2) if setup.options.unit == "fraction" else np.ones(4, np.float32)

    def made(some: Indices) -> Floats:
        box = boxes[some]
        if setup.options.corners == "middle_size":
            box = corners(box[:, :2], box[:, 2:])
        elif setup.options.corners == "top_left_bottom_right":
            box = box[:, [1, 0, 3, 2]]
        return box * scale

    return made
