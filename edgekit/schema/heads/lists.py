"""Heads with one list of candidates, by its shape."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.schema.heads.facts import HeadFacts, OutputFacts
from edgekit.schema.heads.grids import strides_for
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.stages.detect import HeadName

_ANCHORS = 3
_LEAST_VALUES = 2
"""Of either axis: [steps, 1, signs] is a line of text, one step after the other."""
_FEW = 5000
"""Candidates of a list that stands on no grid."""
_WORDS: dict[HeadName, str] = {
    "yolov8": "a list of YOLOv8's kind (v8, v9, v11, v12)",
    "yolov5": "a list of YOLOv5's kind (v5, v6, v7), with an objectness",
    "yolox": "YOLOX's list as it is exported, places counted in cells",
    "nanodet": "NanoDet's list, with distributions of distances",
    "rtdetr": "RT-DETR's list as Ultralytics exports it",
    "end2end": "a finished list, one line for each detection (YOLOv10, YOLO26, or suppressed in the model)",
}
"""What a head is taken for."""


def list_layouts(facts: HeadFacts) -> Iterator[HeadLayout]:
    """Heads of a model with one list, and perhaps prototypes of masks."""
    lists, maps = facts.ranked(3), facts.ranked(4)
    if len(lists) != 1 or len(maps) > 1 or min(lists[0].inner) < _LEAST_VALUES:
        return
    masks = maps[0].shape[1] if maps else 0
    if maps and not masks:
        return
    for head, classes, extra in _fitting(lists[0], masks, facts):
        if classes > 0 and facts.classes in (None, classes):
            names = (lists[0].name, *((maps[0].name,) if maps else ()))
            with_masks = f", masks of {masks} prototypes" if masks else ""
            with_points = f", {facts.keypoints} points" if extra else ""
            yield HeadLayout(
                kind="detect",
                head=head,
                outputs=names,
                classes=classes,
                words=f"{_WORDS[head]}: {lists[0]}{with_masks}{with_points}",
                unit="fraction" if head == "rtdetr" else "pixels",
                corners="left_top_right_bottom" if head == "end2end" else "middle_size",
                masks=masks,
                keypoints=facts.keypoints if extra else 0,
            )


def _fitting(one: OutputFacts, masks: int, facts: HeadFacts) -> Iterator[tuple[HeadName, int, int]]:
    """Each head that fits, with its classes and the values of its points."""
    points = [facts.keypoints * values for values in facts.keypoint_values] if facts.keypoints else [0]
    first, last = one.inner
    for extra in points:
        behind = masks + extra
        if strides_for(last, facts.width_px, facts.height_px):
            yield "yolov8", first - 4 - behind, extra
        if strides_for(first, facts.width_px, facts.height_px):
            if facts.classes is not None:
                yield "yolov8", last - 4 - behind, extra
            yield "yolov5", last - 5 - behind, extra
            if not behind:
                yield "yolox", last - 5, 0
                yield from _nanodet(last, facts.classes)
        elif strides_for(first, facts.width_px, facts.height_px, _ANCHORS):
            yield "yolov5", last - 5 - behind, extra
        elif first <= _FEW and last == 6 + behind and not strides_for(last, facts.width_px, facts.height_px):
            yield "end2end", facts.classes or 1, extra
            if facts.classes == 2 and not behind:
                yield "rtdetr", 2, 0
        elif first <= _FEW and not behind and not strides_for(last, facts.width_px, facts.height_px):
            yield "rtdetr", last - 4, 0


def _nanodet(values: int, classes: int | None) -> Iterator[tuple[HeadName, int, int]]:
    """Its bins are known where its classes are."""
    if classes is not None and values > classes and (values - classes) % 4 == 0 and (values - classes) // 4 > 4:
        yield "nanodet", classes, 0
