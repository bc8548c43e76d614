"""What stages keep of each track: a little, of the latest seen, as a camera has no end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from edgekit.schema.stages.scene import Anchor
from edgekit.stage import Detection

REMEMBERED = 1000
"""Tracks: far fewer are ever in sight at once."""
T = TypeVar("T")
Point = tuple[float, float]


class TrackMemory(Generic[T]):
    """One thing for each track; who was not seen for the longest is forgotten first."""

    def __init__(self, make: Callable[[Detection], T]) -> None:
        """Begin empty.

        Args:
            make: what to keep of a track that is first seen in this detection.
        """
        self._make = make
        self._kept: dict[int, T] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, found: Detection) -> T:
        """What is kept of a detection's track."""
        kept = self._kept.pop(found.track, None)
        self._kept[found.track] = kept = self._make(found) if kept is None else kept
        if len(self._kept) > REMEMBERED:
            del self._kept[next(iter(self._kept))]
        return kept

    def items(self) -> list[tuple[int, T]]:
        """All tracks with what is kept of them, the latest seen last."""
        return list(self._kept.items())

    def drop(self, track: int) -> None:
        """Forget one."""
        del self._kept[track]


class Names:
    """What a track was called, by how many of its frames."""

    def __init__(self) -> None:
        self.frames = 0
        self._names: Counter[str] = Counter()

    def see(self, found: Detection) -> None:
        """One frame more."""
        self.frames += 1
        self._names[f"{found.colour} {found.label}".strip()] += 1

    @property
    def most(self) -> str:
        """Its name in most frames."""
        return self._names.most_common(1)[0][0]


def anchor_of(found: Detection, anchor: Anchor) -> Point:
    """The point of a box that counts as its place, in the source's pixels."""
    return (found.x_px, found.y_px + (found.height_px / 2 if anchor == "bottom" else 0.0))
