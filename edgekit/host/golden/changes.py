"""What is different between a recipe's golden answers and what its model finds now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from edgekit.schema.detection import Detection, distance_px, further_differences, pair

_FAR = 10
"""How many tolerances a detection may have moved and still be the same one."""
_LEAST_PX = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionChange:
    """One detection that is not as it was."""

    change: Literal["new", "gone", "moved", "score", "content"]
    """`moved`: it has another place or size, and may have another score; `score`: nothing but that; `content`: it lies
    where it was, and its mask, points, text or attributes are others."""
    now: Detection | None
    before: Detection | None
    moved_px: float = 0.0
    score_by: float = 0.0
    content: tuple[str, ...] = ()
    """What is beyond the tolerances in its mask, points, text or attributes, in words."""
    within: bool = False
    """Whether the recipe's tolerances still take it."""

    def __str__(self) -> str:
        """`moved: red disc at 40,52 by 3.20 px, score +0.010`."""
        one = self.now or self.before
        assert one is not None
        if self.now is None or self.before is None:
            text = f", {one.text!r}" if one.text else ""
            return f"{self.change}: {one} ({one.score:.3f}{text})"
        by = [f"{self.moved_px:.2f} px"] if self.moved_px else []
        by += [f"score {self.score_by:+.3f}"] if self.score_by else []
        beyond = "" if self.within else ", beyond the tolerance"
        words = [f"{one} by {', '.join(by)}"] * bool(by) + [*self.content]
        return f"{self.change}: {'; '.join(words) or one}{beyond}"


def changes(
    before: Iterable[Detection], now: Iterable[Detection], *, position_px: float, score: float
) -> tuple[DetectionChange, ...]:
    """Everything that is different, however little.

    Args:
        before: the golden answers of one frame.
        now: what is found in it, rounded as they are.
        position_px: the recipe's tolerance of a place.
        score: the recipe's tolerance of a score.
    """
    paired = pair(before, now, max(_LEAST_PX, _FAR * position_px))
    moved = (_moved(was, one, position_px, score) for was, one in paired.pairs if was != one)
    gone = (DetectionChange(change="gone", now=None, before=one) for one in paired.missing)
    new = (DetectionChange(change="new", now=one, before=None) for one in paired.extra)
    return (*new, *gone, *moved)


def _moved(was: Detection, one: Detection, position_px: float, score: float) -> DetectionChange:
    size_px = max(abs(was.width_px - one.width_px), abs(was.height_px - one.height_px)) / 2
    moved_px, by = max(distance_px(was, one), size_px), one.score - was.score
    content = tuple(further_differences(was, one, position_px))
    return DetectionChange(
        change="moved" if moved_px else "score" if by else "content",
        now=one,
        before=was,
        moved_px=round(moved_px, 3),
        score_by=round(by, 3),
        content=content,
        within=moved_px <= position_px and abs(by) <= score and not content,
    )


def rounded(found: Iterable[Detection]) -> tuple[Detection, ...]:
    """Detections as they are written: hundredths of pixels, thousandths of scores, from left to right."""
    return tuple(sorted(_rounded(found), key=lambda one: (one.x_px, one.y_px, one.label)))


def _rounded(found: Iterable[Detection]) -> Iterator[Detection]:
    for one in found:
        pixels = {name: round(getattr(one, name), 2) for name in ("x_px", "y_px", "width_px", "height_px", "area_px")}
        points = (
            replace(point, x_px=round(point.x_px, 2), y_px=round(point.y_px, 2), score=round(point.score, 3))
            for point in one.keypoints
        )
        attributes = (replace(attribute, score=round(attribute.score, 3)) for attribute in one.attributes)
        yield replace(
            one,
            score=round(one.score, 3),
            track=0,
            keypoints=tuple(points),
            attributes=tuple(attributes),
            **pixels,
        )
