"""What a pipeline finds in a frame, and how two findings differ: golden answers are held against this. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from edgekit.errors import InputError
from edgekit.schema.reader import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypoint:
    """One named point of a thing: a joint, a corner."""

    name: str
    x_px: float
    """In the source frame's pixels, as of `Detection`; it may lie beyond the frame's edge."""
    y_px: float
    score: float = 1.0
    """How sure the model is that it sees the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """What a second model says of a thing that the first one found."""

    name: str
    """The stage's."""
    value: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One thing that a model saw."""

    label: str
    colour: str = ""
    """Empty until a `colour` stage has named it."""
    x_px: float
    """Centre, in the source frame's pixels; 0 is the left edge of the first pixel."""
    y_px: float
    width_px: float = 0.0
    """Size of its box, in the source frame's pixels; 0 where the model finds points."""
    height_px: float = 0.0
    score: float
    track: int = 0
    """Number of the track that it belongs to, from 1 in each stream and after each restart; 0: it was not tracked."""
    area_px: float = 0.0
    """Of its mask, in the source frame's pixels; 0 where the model finds no masks."""
    outline: tuple[tuple[float, ...], ...] = ()
    """Its mask's edges: polygons, each x and y in turn, in the source frame's pixels, as COCO writes them."""
    keypoints: tuple[Keypoint, ...] = ()
    text: str = ""
    """What is written there, where a model reads."""
    attributes: tuple[Attribute, ...] = ()
    """What further models say of it, in the stages' order."""

    def __str__(self) -> str:
        """For messages: `red disc at 40,52`."""
        return f"{self.colour} {self.label}".strip() + f" at {self.x_px:.0f},{self.y_px:.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Two lists of detections, brought together."""

    pairs: tuple[tuple[Detection, Detection], ...]
    """Expected and found."""
    missing: tuple[Detection, ...]
    """Expected, and not found."""
    extra: tuple[Detection, ...]
    """Found, and not expected."""


def pair(expected: Iterable[Detection], found: Iterable[Detection], within_px: float) -> Pairing:
    """Bring together what has the same label and colour and lies no further apart than `within_px`, nearest first."""
    wanted, there = list(expected), list(found)
    near = [
        (distance, row, column)
        for row, want in enumerate(wanted)
        for column, have in enumerate(there)
        if _kind(want) == _kind(have) and (distance := distance_px(want, have)) <= within_px
    ]
    columns: dict[int, int] = {}
    taken: set[int] = set()
    for _, row, column in sorted(near):
        if row not in columns and column not in taken:
            columns[row] = column
            taken.add(column)
    return Pairing(
        pairs=tuple((wanted[row], there[column]) for row, column in sorted(columns.items())),
        missing=tuple(one for row, one in enumerate(wanted) if row not in columns),
        extra=tuple(one for column, one in enumerate(there) if column not in taken),
    )


def distance_px(one: Detection, other: Detection) -> float:
    """Between two centres."""
    return float(((one.x_px - other.x_px) ** 2 + (one.y_px - other.y_px) ** 2) ** 0.5)


def differences(
    expected: Iterable[Detection], found: Iterable[Detection], *, position_px: float, score: float
) -> Iterator[str]:
    """Every difference in words, with values.

    Args:
        expected: what must be found.
        found: what was found.
        position_px: how far a centre, and each edge of a box, may be off.
        score: how far a score may be off.
    """
    there = tuple(found)
    paired = pair(expected, there, position_px)
    for want, have in paired.pairs:
        if abs(have.score - want.score) > score:
            yield f"{want}: score {have.score:.3f}, expected {want.score:.3f} within {score:g}"
        if want.width_px and not _same_size(want, have, position_px):
            yield f"{want}: a box of {_size(have)} px, expected {_size(want)}"
        yield from further_differences(want, have, position_px)
    for want in paired.missing:
        nearest = min(
            (distance_px(want, one) for one in paired.extra if _kind(one) == _kind(want)), default=float("inf")
        )
        yield f"no {want}" + (f", nearest is {nearest:.1f} px away" if nearest < float("inf") else "")
    for one in paired.extra:
        yield f"{one} is not expected"


def without(found: Detection, stages: Container[str]) -> Detection:
    """A detection without what some stages say of it: those that were not tried."""
    gone = [one for one in found.attributes if one.name in stages]
    if not gone:
        return found
    text = "" if any(one.value == found.text for one in gone) else found.text
    return replace(found, text=text, attributes=tuple(one for one in found.attributes if one not in gone))


def read_expected(text: bytes, file: str) -> Mapping[str, tuple[Detection, ...]]:
    """Read a recipe's golden answers: the detections of each frame, by the frame's file name.

    Raises:
        InputError: it is not JSON, or says something else than detections.
    """
    try:
        return from_json(dict[str, tuple[Detection, ...]], text, file)
    except InputError as error:
        raise InputError(error.message, hint="`edgekit golden RECIPE --write` writes them from the model") from None


def _kind(one: Detection) -> tuple[str, str]:
    return (one.label, one.colour)


def _same_size(want: Detection, have: Detection, position_px: float) -> bool:
    """Whether the sizes fit edges that are each off by so much at most."""
    off = max(abs(want.width_px - have.width_px), abs(want.height_px - have.height_px))
    return off <= 2 * position_px


def further_differences(want: Detection, have: Detection, position_px: float) -> Iterator[str]:
    """Differences of masks, points, texts and attributes, in words."""
    edge_px = 2 * (want.width_px + want.height_px)
    if want.area_px and abs(want.area_px - have.area_px) > max(1.0, position_px) * edge_px:
        yield f"{want}: a mask of {have.area_px:.0f} px, expected {want.area_px:.0f}"
    there = {point.name: point for point in have.keypoints}
    for point in want.keypoints:
        now = there.get(point.name)
        if now is None:
            yield f"{want}: no {point.name}"
        elif ((point.x_px - now.x_px) ** 2 + (point.y_px - now.y_px) ** 2) ** 0.5 > position_px:
            place = f"at {now.x_px:.0f},{now.y_px:.0f}"
            yield f"{want}: its {point.name} is {place}, expected at {point.x_px:.0f},{point.y_px:.0f}"
    if want.text != have.text:
        yield f"{want}: reads {have.text!r}, expected {want.text!r}"
    said = {one.name: one.value for one in have.attributes}
    for one in want.attributes:
        if said.get(one.name, "") != one.value and one.value != want.text:
            yield f"{want}: its {one.name} is {said.get(one.name, 'nothing')}, expected {one.value}"


def _size(one: Detection) -> str:
    return f"{one.width_px:.0f}x{one.height_px:.0f}"
