"""Heads with boxes and scores in outputs of their own, by names that exporters give and by shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from edgekit.schema.heads.facts import HeadFacts, OutputFacts
from edgekit.schema.heads.grids import strides_for
from edgekit.schema.heads.layout import HeadLayout

_LISTED = {
    ("detection_boxes", "detection_scores", "detection_classes", "num_detections"): HeadLayout(
        kind="detect",
        head="listed",
        outputs=(),
        classes=0,
        words="a finished list of TensorFlow's object detection",
        unit="fraction",
        corners="top_left_bottom_right",
        background="first",
    ),
    ("det_boxes", "det_scores", "det_classes", "num_dets"): HeadLayout(
        kind="detect", head="listed", outputs=(), classes=0, words="a finished list of TensorRT's EfficientNMS"
    ),
    ("boxes", "scores", "labels"): HeadLayout(
        kind="detect", head="listed", outputs=(), classes=0, words="a finished list of RT-DETR's or D-FINE's own export"
    ),
}
"""Finished lists by the names of their outputs: boxes, scores, classes, and perhaps a count."""


def pair_layouts(facts: HeadFacts) -> Iterator[HeadLayout]:
    """Heads of a model whose boxes and scores are outputs of their own."""
    there = {one.name.partition(":")[0]: one for one in facts.outputs}
    for names, layout in _LISTED.items():
        if set(names) <= set(there):
            outputs = tuple(there[name].name for name in names)
            words = f"{layout.words}: {facts.described}"
            yield replace(layout, outputs=outputs, classes=facts.classes or 1, words=words)
            return
    if {"logits", "pred_boxes"} <= set(there):
        yield from _detr(there["logits"], there["pred_boxes"], facts)
        return
    boxes = [one for one in facts.outputs if _is_boxes(one)]
    others = [one for one in facts.ranked(3) if one not in boxes]
    if len(facts.outputs) == 2 and len(boxes) == 1 and len(others) == 1:
        yield from _boxes_scores(boxes[0], others[0], facts)


def _detr(logits: OutputFacts, boxes: OutputFacts, facts: HeadFacts) -> Iterator[HeadLayout]:
    """A class more than there are labels is DETR's `nothing`."""
    count = logits.shape[-1]
    known = facts.classes
    shared = HeadLayout(
        kind="detect",
        head="detr",
        outputs=(logits.name, boxes.name),
        classes=count,
        words=f"DETR's outputs as Transformers exports them: {facts.described}",
        activation="sigmoid",
        unit="fraction",
        corners="middle_size",
    )
    if known in (None, count):
        yield shared
    if known in (None, count - 1):
        yield replace(shared, classes=count - 1, activation="softmax", background="last")


def _boxes_scores(boxes: OutputFacts, scores: OutputFacts, facts: HeadFacts) -> Iterator[HeadLayout]:
    count = boxes.shape[1]
    if count not in scores.inner:
        return
    rows = next((size for size in scores.inner if size != count), count)
    words = f"boxes and scores in two outputs (DAMO-YOLO, PP-YOLOE, YOLO-NAS, SSD): {facts.described}"
    shared = HeadLayout(
        kind="detect",
        head="boxes_scores",
        outputs=(boxes.name, scores.name),
        classes=rows,
        words=words,
        activation="none" if scores.made_by != "Conv" else "sigmoid",
    )
    if strides_for(count, facts.width_px, facts.height_px):
        if facts.classes in (None, rows):
            yield shared
        return
    for background, classes in (("first", rows - 1), ("none", rows)):
        if facts.classes == classes or (facts.classes is None and background == "first"):
            one = replace(shared, classes=classes, background="first" if background == "first" else "none")
            yield replace(one, unit="fraction")
            yield replace(one, unit="pixels")
            softmax = scores.made_by != "Softmax"
            yield replace(
                one,
                head="ssd",
                unit="fraction",
                corners="middle_size",
                activation="softmax" if softmax else "none",
                words=f"SSD's offsets from priors: {facts.described}",
            )


def _is_boxes(one: OutputFacts) -> bool:
    """[1, n, 4], or [1, n, 1, 4] as some SSDs have it."""
    return len(one.shape) in (3, 4) and one.shape[-1] == 4 and all(one.inner) and one.inner[1:-1] in ((), (1,))
