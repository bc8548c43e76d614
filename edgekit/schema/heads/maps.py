"""Heads with maps for each grid, by their shapes."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.schema.heads.facts import HeadFacts, OutputFacts
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.stages.detect import Activation

_ANCHORS = 3
_LEAST_BINS = 5
_ACTIVATIONS: dict[str, tuple[Activation, ...]] = {"Sigmoid": ("none",), "Conv": ("sigmoid",)}
"""What is left to do behind the operator that makes an output; behind others it may be either."""


def map_layouts(facts: HeadFacts) -> Iterator[HeadLayout]:
    """Heads of a model whose outputs are maps on grids of different sizes."""
    maps = [one for one in facts.ranked(4, 5) if all(one.inner)]
    if len(maps) != len(facts.outputs) or len(maps) < 2:
        return
    grids: dict[tuple[int, ...], list[OutputFacts]] = {}
    for one in maps:
        grids.setdefault(one.shape[2:4], []).append(one)
    prototypes = _prototypes(grids)
    if len(grids) < 2 or any(facts.height_px % rows or facts.width_px % columns for rows, columns in grids):
        return
    ordered = [grids[size] for size in sorted(grids, reverse=True)]
    counts = {len(group) for group in ordered}
    if counts == {1} and prototypes is None:
        yield from _single([group[0] for group in ordered], facts)
    elif len(counts) == 1 and next(iter(counts)) > 1:
        yield from _split(ordered, prototypes, facts)


def _prototypes(grids: dict[tuple[int, ...], list[OutputFacts]]) -> OutputFacts | None:
    """Takes out the one map that stands alone on the finest grid, where others stand together."""
    finest = max(grids)
    if len(grids[finest]) == 1 and max(map(len, grids.values())) > 1:
        return grids.pop(finest)[0]
    return None


def _single(maps: list[OutputFacts], facts: HeadFacts) -> Iterator[HeadLayout]:
    """One map for each grid."""
    names, first = tuple(one.name for one in maps), maps[0]
    if len(first.shape) == 5:
        anchors, values = first.shape[1], first.shape[4]
        fits = all(len(one.shape) == 5 and (one.shape[1], one.shape[4]) == (anchors, values) for one in maps)
        found = [("yolov5_maps", values - 5)] if fits else []
    else:
        channels = first.shape[1]
        if any(len(one.shape) != 4 or one.shape[1] != channels for one in maps):
            return
        found = [("yolox_maps", channels - 5)]
        if channels % _ANCHORS == 0:
            found.append(("yolov5_maps", channels // _ANCHORS - 5))
    for head, classes in found:
        if classes < 1 or facts.classes not in (None, classes):
            continue
        if head == "yolox_maps":
            words = f"YOLOX's maps from the RKNN model zoo: {first} and on"
            yield HeadLayout(kind="detect", head="yolox_maps", outputs=names, classes=classes, words=words)
            continue
        for activation in _ACTIVATIONS.get(first.made_by, ("sigmoid", "none")):
            words = f"maps of YOLOv5's kind (v5, v7) with {_ANCHORS} anchors: {first} and on"
            yield HeadLayout(
                kind="detect", head="yolov5_maps", outputs=names, classes=classes, words=words, activation=activation
            )


def _split(groups: list[list[OutputFacts]], prototypes: OutputFacts | None, facts: HeadFacts) -> Iterator[HeadLayout]:
    """Boxes and scores in maps of their own."""
    masks = prototypes.shape[1] if prototypes is not None else 0
    channels = [[one.shape[1] for one in group] for group in groups]
    if any(row != channels[0] for row in channels) or any(len(one.shape) != 4 for group in groups for one in group):
        return
    row = channels[0]
    box = next((place for place, count in enumerate(row) if _is_box(count)), None)
    if box is None:
        return
    mask = next((place for place, count in enumerate(row) if masks and count == masks and place != box), None)
    scores = [place for place in range(len(row)) if place not in (box, mask) and facts.classes in (None, row[place])]
    if not scores or (masks and mask is None):
        return
    score = scores[0] if len(scores) == 1 or facts.classes is not None else max(scores, key=lambda place: row[place])
    places = (box, score) if mask is None else (box, score, mask)
    names = [group[place].name for group in groups for place in places]
    made_by = groups[0][score].made_by
    for activation in _ACTIVATIONS.get(made_by, ("none",)):
        yield HeadLayout(
            kind="detect",
            head="split_maps",
            outputs=(*names, *((prototypes.name,) if prototypes is not None else ())),
            classes=row[score],
            words=f"split maps of the RKNN model zoo (YOLOv6, v8, v10, v11): {groups[0][box]} and on",
            activation=activation,
            masks=masks,
        )


def _is_box(channels: int) -> bool:
    return channels == 4 or (channels % 4 == 0 and channels // 4 >= _LEAST_BINS)
