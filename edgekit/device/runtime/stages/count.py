"""`count`: counts each track once, when it crosses a line, under the name that most of its frames gave it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

from edgekit.schema.stages import CountOptions
from edgekit.stage import Detection, Frame, Stage, StageContext

_REMEMBERED = 1000
"""Tracks, the latest seen: a camera has no end, and far fewer are ever in sight at once."""


@dataclass(slots=True)
class _Seen:
    x_px: float
    frames: int = 0
    counted: bool = False
    names: Counter[str] = field(default_factory=Counter)


class Count(Stage):
    """Counts by `colour label`; a track that is first seen beyond the line never counts."""

    stateless: ClassVar[bool] = False
    Options: ClassVar[type] = CountOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: CountOptions = context.options
        self._seen: dict[int, _Seen] = {}
        self._counts: dict[str, int] = {}

    def reset(self) -> None:
        """Begin at zero."""
        self._seen = {}
        self._counts = {}

    def __call__(self, frame: Frame) -> Frame:
        """Set the frame's counts."""
        for found in frame.detections:
            if found.track:
                self._look(found)
        frame.counts = dict(self._counts)
        return frame

    def _look(self, found: Detection) -> None:
        seen = self._seen.pop(found.track, None) or _Seen(found.x_px)
        self._seen[found.track] = seen
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        before, seen.x_px = seen.x_px, found.x_px
        seen.frames += 1
        seen.names[f"{found.colour} {found.label}".strip()] += 1
        crosses = before < self._options.line_x_px <= found.x_px
        if crosses and not seen.counted and seen.frames >= self._options.min_frames:
            seen.counted = True
            name = seen.names.most_common(1)[0][0]
            self._counts[name] = self._counts.get(name, 0) + 1
