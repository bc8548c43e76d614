"""`bytetrack`: follows boxes through crowds; weak detections go on with a track, and never begin one.

Source: Zhang et al., ByteTrack: Multi-Object Tracking by Associating Every Detection Box, 2022. Own code: the libraries
that have it bring SciPy and a plotting stack to a board for these two files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from edgekit.device.runtime.stages.assignment import assign
from edgekit.device.runtime.stages.motion import Boxes, BoxMotion, overlaps
from edgekit.schema.stages.tracking import BytetrackOptions
from edgekit.stage import Detection, Frame, Stage, StageContext

_WEAK_OVERLAP = 0.5
"""Least overlap of a weak detection with the track that it goes on with. Source: ByteTrack, byte_tracker.py."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    """What was found in one frame, and whose it is."""

    found: Sequence[Detection]
    boxes: Boxes
    rows: dict[int, int]
    """Detection to track."""


@dataclass(slots=True)
class _BoxTrack:
    label: str
    number: int = 0
    """0 until it has been seen often enough."""
    seen: int = 0
    missed: int = 0
    """Frames without it, in a row."""


class Bytetrack(Stage):
    """Numbers the frame's detections. The same frames give the same numbers."""

    stateless: ClassVar[bool] = False
    Options: ClassVar[type] = BytetrackOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: BytetrackOptions = context.options
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; numbers begin at 1 again."""
        self._tracks: list[_BoxTrack] = []
        self._motion = BoxMotion()
        self._last = 0
        self._sequence: int | None = None

    def gap(self, missing: int) -> None:
        """Frames that the camera lost are frames in which nothing was seen."""
        for track in self._tracks:
            track.missed += missing
        self._forget()

    def __call__(self, frame: Frame) -> Frame:
        """Number the frame's detections."""
        self._motion.advance(1 if self._sequence is None else max(1, frame.sequence - self._sequence))
        self._sequence = frame.sequence
        found, options = frame.detections, self._options
        boxes = np.array([[one.x_px, one.y_px, one.width_px, one.height_px] for one in found]).reshape(-1, 4)
        seen = _Sighting(found, boxes, {})
        scores = np.array([one.score for one in found])
        strong, weak = scores >= options.strong_score, (scores < options.strong_score) & (scores >= options.weak_score)
        self._match(seen, range(len(self._tracks)), np.flatnonzero(strong), options.overlap)
        going_on = [row for row, track in enumerate(self._tracks) if track.number and not track.missed]
        self._match(seen, going_on, np.flatnonzero(weak), max(_WEAK_OVERLAP, options.overlap))
        self._correct(seen)
        self._begin(seen, [int(one) for one in np.flatnonzero(scores >= options.new_score) if one not in seen.rows])
        for row in seen.rows.values():
            self._confirm(self._tracks[row])
        frame.detections = tuple(
            dataclasses.replace(one, track=self._tracks[seen.rows[index]].number) if index in seen.rows else one
            for index, one in enumerate(found)
        )
        self._forget()
        return frame

    def _match(self, seen: _Sighting, tracks: Sequence[int], indices: npt.NDArray[np.intp], least: float) -> None:
        """Bring tracks together with detections of their label that no other has."""
        free = [row for row in tracks if row not in seen.rows.values()]
        apart = 1 - overlaps(self._motion.place[free], seen.boxes[indices])
        if not apart.size:
            return
        labels = [[self._tracks[row].label == seen.found[index].label for index in indices] for row in free]
        for place, column in assign(np.where(labels, apart, 2.0), 1 - least):
            seen.rows[int(indices[column])] = free[place]

    def _correct(self, seen: _Sighting) -> None:
        """Tell motion and tracks what was seen of them."""
        there = set(seen.rows.values())
        for row, track in enumerate(self._tracks):
            track.missed = 0 if row in there else track.missed + 1
            track.seen += row in there
        if seen.rows:
            self._motion.correct(np.array(list(seen.rows.values())), seen.boxes[list(seen.rows)])

    def _begin(self, seen: _Sighting, indices: Sequence[int]) -> None:
        """Follow what no track has."""
        for index in indices:
            seen.rows[index] = len(self._tracks)
            self._tracks.append(_BoxTrack(seen.found[index].label, seen=1))
        self._motion.add(seen.boxes[list(indices)])

    def _confirm(self, track: _BoxTrack) -> None:
        if not track.number and track.seen >= self._options.min_frames:
            self._last += 1
            track.number = self._last

    def _forget(self) -> None:
        """Let go who was away for too long, or was hardly there."""
        most = self._options.max_missed
        kept = np.array([track.missed <= (most if track.number else 0) for track in self._tracks], bool)
        if not kept.all():
            self._motion.keep(kept)
            self._tracks = [track for track, stays in zip(self._tracks, kept, strict=True) if stays]
