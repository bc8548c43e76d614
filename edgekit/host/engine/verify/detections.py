"""Compares a pipeline's detections with the engine and with the float model, box by box. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edgekit.host.engine.verify.further import FurtherAgreement, changes, compare_further, mask_iou
from edgekit.schema.detection import Detection, distance_px

_SAME = 0.5
"""Boxes that overlap by so much (intersection over union) show the same thing."""
_DOUBLE = 0.3
"""A box that overlaps a matched one by so much is a second view of it: suppression keeps it or not by a hair."""
_NEAR_PX = 8.0
"""The same for detections without a box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastScores:
    """What a detection's score must exceed to count."""

    usual: float
    by_label: Mapping[str, float] = field(default_factory=dict)

    def of(self, label: str) -> float:
        """Of one with this label."""
        return self.by_label.get(label, self.usual)


Found = Sequence[Sequence[Detection]]
"""Detections of each picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A detection that only one side has, or that the engine sees in another way."""

    picture: str
    detection: Detection
    extra: bool
    """Whether it is the engine's alone."""
    changed: str = ""
    """What is different in it, in words; empty where only one side has it."""

    def __str__(self) -> str:
        """`night.png: no person at 40,52 (score 0.82)`."""
        if self.changed:
            return f"{self.picture}: {self.detection} (score {self.detection.score:.2f}): {self.changed}"
        words = "is found by the engine alone" if self.extra else "is lost in the engine"
        return f"{self.picture}: {self.detection} (score {self.detection.score:.2f}) {words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionAgreement:
    """All pictures together."""

    pictures: int
    expected: int
    """Detections of the float model."""
    matched: int
    lost: tuple[Lost, ...]
    least_iou: float
    """Of matched boxes; 1 where there are none."""
    largest_shift_px: float
    """Between matched centres."""
    largest_score_error: float
    further: FurtherAgreement = FurtherAgreement()

    def __str__(self) -> str:
        """For the user who builds."""
        missed = sum(not one.extra and not one.changed for one in self.lost)
        added = sum(one.extra for one in self.lost)
        return (
            f"detections on {self.pictures} pictures: {self.matched} of the float model's {self.expected} matched, "
            f"{missed} lost, {added} added; IoU {self.least_iou:.3f} at least, centres off by "
            f"{self.largest_shift_px:.1f} px and scores by {self.largest_score_error:.3f} at most{self.further}"
        )


def compare_found(names: Sequence[str], expected: Found, found: Found, least: LeastScores) -> DetectionAgreement:
    """Match each picture's detections of the same label and colour, those that overlap most first.

    Args:
        names: of the pictures.
        expected: the float model's.
        found: the engine's.
        least: a detection that is weaker may come and go: its score lies at the threshold.
    """
    lost: list[Lost] = []
    pairs: list[tuple[Detection, Detection]] = []
    for name, wanted, there in zip(names, expected, found, strict=True):
        matched = match(wanted, there)
        pairs += matched
        lost += [
            Lost(picture=name, detection=one, extra=False, changed=words)
            for one, other in matched
            for words in changes(one, other, least.of(one.label))
        ]
        for extra, alone, others in ((False, wanted, 0), (True, there, 1)):
            lost += [
                Lost(picture=name, detection=one, extra=extra)
                for one in _alone(alone, matched, others)
                if one.score > least.of(one.label)
            ]
    boxes = [iou(one, other) for one, other in pairs if one.width_px]
    return DetectionAgreement(
        pictures=len(names),
        expected=sum(map(len, expected)),
        matched=len(pairs),
        lost=tuple(lost),
        least_iou=min(boxes, default=1.0),
        largest_shift_px=max((distance_px(*pair) for pair in pairs), default=0.0),
        largest_score_error=max((abs(one.score - other.score) for one, other in pairs), default=0.0),
        further=compare_further(pairs),
    )


def match(expected: Iterable[Detection], found: Iterable[Detection]) -> list[tuple[Detection, Detection]]:
    """Pairs of detections that show the same thing; each is in one pair at most."""
    wanted, there = list(expected), list(found)
    likely = sorted(
        ((_likeness(one, other), row, column) for row, one in enumerate(wanted) for column, other in enumerate(there)),
        key=lambda entry: (-entry[0], entry[1], entry[2]),
    )
    rows: set[int] = set()
    columns: set[int] = set()
    pairs = []
    for likeness, row, column in likely:
        if likeness >= _SAME and row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            pairs.append((wanted[row], there[column]))
    return pairs


def iou(one: Detection, other: Detection) -> float:
    """Intersection over union of two boxes."""
    width = _overlap(one.x_px, one.width_px, other.x_px, other.width_px)
    height = _overlap(one.y_px, one.height_px, other.y_px, other.height_px)
    both = width * height
    whole = one.width_px * one.height_px + other.width_px * other.height_px - both
    return both / whole if whole > 0 else 0.0


def _overlap(middle: float, size: float, other_middle: float, other_size: float) -> float:
    first = max(middle - size / 2, other_middle - other_size / 2)
    last = min(middle + size / 2, other_middle + other_size / 2)
    return max(0.0, last - first)


def _likeness(one: Detection, other: Detection) -> float:
    """1 for the same place, 0 for another thing: overlap of boxes, nearness of points."""
    if (one.label, one.colour) != (other.label, other.colour):
        return 0.0
    if one.outline and other.outline:
        return mask_iou(one, other)
    if one.width_px and other.width_px:
        return iou(one, other)
    return max(0.0, 1 - _SAME * distance_px(one, other) / _NEAR_PX)


def _alone(
    detections: Iterable[Detection], pairs: Sequence[tuple[Detection, Detection]], other: int
) -> Iterator[Detection]:
    """Detections of one side without a partner, but for second views of what has one.

    `other` is 0 for the expected ones, whose own places in `pairs` are the first.
    """
    own, others = [pair[other] for pair in pairs], [pair[1 - other] for pair in pairs]
    for one in detections:
        paired = any(one is mine for mine in own)
        if not paired and not any(_likeness(one, there) >= _DOUBLE for there in (*own, *others)):
            yield one
