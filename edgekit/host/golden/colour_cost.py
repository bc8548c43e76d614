"""What a mistake with colours costs: how scores change, and which decisions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgekit.schema.detection import Detection, distance_px, pair


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCost:
    """One picture."""

    right: int
    """How many detections there are with the right colours."""
    kept: int
    """Of those, with the same label and colour in the same place."""
    renamed: int
    """In the same place, and called something else."""
    lost: int
    new: int
    """Where there was nothing."""
    scores: tuple[float, ...]
    """How much the score of each kept one rose."""

    @property
    def changed(self) -> int:
        """Decisions that are different."""
        return self.renamed + self.lost + self.new


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourCost:
    """All pictures."""

    mistake: str
    """Its short name."""
    words: str
    right: int
    kept: int
    renamed: int
    lost: int
    new: int
    score_mean: float
    """Mean change of the scores of kept detections; 0 where there is none."""
    score_worst: float
    """The largest fall, or the smallest rise."""

    @property
    def wrong_percent(self) -> float:
        """Decisions that are different, of all that are right."""
        return 100 * (self.renamed + self.lost + self.new) / self.right if self.right else 0.0


def picture_cost(right: Iterable[Detection], found: Iterable[Detection], within_px: float) -> PictureCost:
    """Compare one picture's detections with those of the right colours.

    Args:
        right: with the right colours.
        found: with wrong ones.
        within_px: what lies nearer is the same thing.
    """
    before = tuple(right)
    paired = pair(before, found, within_px)
    missing, extra = list(paired.missing), list(paired.extra)
    renamed = 0
    for gone in paired.missing:
        near = [one for one in extra if distance_px(gone, one) <= within_px]
        if near:
            extra.remove(min(near, key=lambda one: distance_px(gone, one)))
            missing.remove(gone)
            renamed += 1
    return PictureCost(
        right=len(before),
        kept=len(paired.pairs),
        renamed=renamed,
        lost=len(missing),
        new=len(extra),
        scores=tuple(have.score - want.score for want, have in paired.pairs),
    )


def whole_cost(mistake: str, words: str, pictures: Sequence[PictureCost]) -> ColourCost:
    """The sum of all pictures."""
    scores = [score for one in pictures for score in one.scores]
    return ColourCost(
        mistake=mistake,
        words=words,
        right=sum(one.right for one in pictures),
        kept=sum(one.kept for one in pictures),
        renamed=sum(one.renamed for one in pictures),
        lost=sum(one.lost for one in pictures),
        new=sum(one.new for one in pictures),
        score_mean=round(sum(scores) / len(scores), 4) if scores else 0.0,
        score_worst=round(min(scores), 4) if scores else 0.0,
    )
