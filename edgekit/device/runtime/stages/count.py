"""`count`: counts each track once, when it crosses a line, under the name that most of its frames gave it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from edgekit.device.runtime.stages.tracked import Names, TrackMemory
from edgekit.schema.stages.scene import CountOptions
from edgekit.stage import Detection, Frame, Stage, StageContext


@dataclass(slots=True)
class _Seen:
    x_px: float
    counted: bool = False
    names: Names = field(default_factory=Names)


class Count(Stage):
    """Counts by `colour label`; a track that is first seen beyond the line never counts."""

    stateless: ClassVar[bool] = False
    Options: ClassVar[type] = CountOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: CountOptions = context.options
        self.reset()

    def reset(self) -> None:
        """Begin at zero."""
        self._seen = TrackMemory(lambda found: _Seen(found.x_px))
        self._counts: dict[str, int] = {}

    def __call__(self, frame: Frame) -> Frame:
        """Set the frame's counts."""
        for found in frame.detections:
            if found.track:
                self._look(found)
        frame.counts = {**frame.counts, **self._counts}
        return frame

    def _look(self, found: Detection) -> None:
        seen = self._seen.of(found)
        before, seen.x_px = seen.x_px, found.x_px
        seen.names.see(found)
        crosses = before < self._options.line_x_px <= found.x_px
        if crosses and not seen.counted and seen.names.frames >= self._options.min_frames:
            seen.counted = True
            name = seen.names.most
            self._counts[name] = self._counts.get(name, 0) + 1
