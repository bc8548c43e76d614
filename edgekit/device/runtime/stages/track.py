"""`track`: gives detections of the same part the same number from frame to frame."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from edgekit.schema.stages.tracking import TrackOptions
from edgekit.stage import Detection, Frame, Stage, StageContext


@dataclass(slots=True)
class _Track:
    number: int
    x_px: float
    y_px: float
    right_px: float
    down_px: float
    sequence: int
    """Frame of the last detection: dropped frames take time too."""
    missed: int = 0

    def take(self, found: Detection, sequence: int) -> None:
        """Move to a detection and follow its speed, smoothed."""
        frames = max(1, sequence - self.sequence)
        self.right_px += 0.3 * ((found.x_px - self.x_px) / frames - self.right_px)
        self.down_px += 0.3 * ((found.y_px - self.y_px) / frames - self.down_px)
        self.x_px, self.y_px, self.sequence, self.missed = found.x_px, found.y_px, sequence, 0

    def distance(self, found: Detection, sequence: int) -> float:
        """From where this track is expected in frame `sequence`."""
        frames = max(1, sequence - self.sequence)
        right, down = self.x_px + self.right_px * frames - found.x_px, self.y_px + self.down_px * frames - found.y_px
        return float((right * right + down * down) ** 0.5)


class Track(Stage):
    """Matches the nearest pairs first, at constant velocity. The same frames give the same numbers."""

    stateless: ClassVar[bool] = False
    Options: ClassVar[type] = TrackOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: TrackOptions = context.options
        self._tracks: list[_Track] = []
        self._last = 0

    def reset(self) -> None:
        """Forget all tracks; numbers begin at 1 again."""
        self._tracks = []
        self._last = 0

    def __call__(self, frame: Frame) -> Frame:
        """Number the frame's detections."""
        limit = self._options.max_distance_px
        pairs = sorted(
            (distance, place, index)
            for place, track in enumerate(self._tracks)
            for index, found in enumerate(frame.detections)
            if (distance := track.distance(found, frame.sequence)) <= limit
        )
        taken: dict[int, _Track] = {}
        matched: set[int] = set()
        for _, place, index in pairs:
            if place not in matched and index not in taken:
                matched.add(place)
                taken[index] = self._tracks[place]
        for place, track in enumerate(self._tracks):
            track.missed += place not in matched
        self._forget_missed()
        frame.detections = tuple(
            dataclasses.replace(found, track=self._follow(taken.get(index), found, frame.sequence))
            for index, found in enumerate(frame.detections)
        )
        return frame

    def gap(self, missing: int) -> None:
        """Frames that the camera lost are frames without a detection: what they might have shown is not followed."""
        for track in self._tracks:
            track.missed += missing
        self._forget_missed()

    def _forget_missed(self) -> None:
        self._tracks = [track for track in self._tracks if track.missed <= self._options.max_missed]

    def _follow(self, track: _Track | None, found: Detection, sequence: int) -> int:
        if track is not None:
            track.take(found, sequence)
            return track.number
        self._last += 1
        right_px, down_px = self._options.velocity_px
        self._tracks.append(_Track(self._last, found.x_px, found.y_px, right_px, down_px, sequence))
        return self._last
