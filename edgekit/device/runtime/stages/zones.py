"""`zones`: who comes into an area, who goes, and who stays for how long."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import cv2
import numpy as np

from edgekit.device.runtime.stages.tracked import Names, TrackMemory, anchor_of
from edgekit.schema.stages.scene import ZonesOptions
from edgekit.stage import Detection, Frame, SceneEvent, Stage, StageContext


@dataclasses.dataclass(slots=True)
class _Stay:
    names: Names = dataclasses.field(default_factory=Names)
    seen_s: float = 0.0
    since_s: dict[str, float] = dataclasses.field(default_factory=dict)
    """When it came into each zone that it is in."""
    reported: set[str] = dataclasses.field(default_factory=set)
    """Zones for which its stay was reported already."""


class Zones(Stage):
    """Counts who entered, by zone and label."""

    stateless: ClassVar[bool] = False
    Options: ClassVar[type] = ZonesOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: ZonesOptions = context.options
        self._areas = {
            name: np.array(corners, np.float32).reshape(-1, 1, 2) for name, corners in self._options.zones.items()
        }
        self.reset()

    def reset(self) -> None:
        """Nobody is anywhere, and counts begin at zero."""
        self._stays = TrackMemory(lambda _: _Stay())
        self._counts: dict[str, int] = {}

    def __call__(self, frame: Frame) -> Frame:
        """Add the frame's events, and set its counts."""
        events: list[SceneEvent] = []
        for found in frame.detections:
            if found.track:
                self._look(found, frame.captured_s, events)
        for track, stay in self._stays.items():
            if frame.captured_s - stay.seen_s > self._options.forget_s:
                events += [_event("left", name, track, stay, stay.seen_s) for name in stay.since_s]
                self._stays.drop(track)
        frame.events = (*frame.events, *events)
        frame.counts = {**frame.counts, **self._counts}
        return frame

    def _look(self, found: Detection, now_s: float, events: list[SceneEvent]) -> None:
        stay = self._stays.of(found)
        stay.names.see(found)
        stay.seen_s = now_s
        here = anchor_of(found, self._options.anchor)
        for name, area in self._areas.items():
            inside = cv2.pointPolygonTest(area, here, False) >= 0
            if inside and name not in stay.since_s and stay.names.frames >= self._options.min_frames:
                stay.since_s[name] = now_s
                events.append(_event("entered", name, found.track, stay, now_s))
                key = f"{name} {stay.names.most}"
                self._counts[key] = self._counts.get(key, 0) + 1
            elif not inside and name in stay.since_s:
                events.append(_event("left", name, found.track, stay, now_s))
                del stay.since_s[name]
                stay.reported.discard(name)
            elif inside and self._stays_long(stay, name, now_s):
                stay.reported.add(name)
                events.append(_event("stayed", name, found.track, stay, now_s))

    def _stays_long(self, stay: _Stay, name: str, now_s: float) -> bool:
        limit_s, since_s = self._options.stay_s, stay.since_s.get(name)
        return limit_s is not None and since_s is not None and name not in stay.reported and now_s - since_s >= limit_s


def _event(kind: Literal["entered", "left", "stayed"], name: str, track: int, stay: _Stay, now_s: float) -> SceneEvent:
    seconds = round(now_s - stay.since_s[name], 3)
    return SceneEvent(kind=kind, place=name, label=stay.names.most, track=track, seconds=seconds)
