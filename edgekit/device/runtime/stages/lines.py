"""`lines`: counts what crosses lines, by label and direction."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from edgekit.device.runtime.stages.tracked import Names, Point, TrackMemory, anchor_of
from edgekit.schema.stages.scene import LineAcross, LinesOptions
from edgekit.stage import Detection, Frame, SceneEvent, Stage, StageContext


@dataclasses.dataclass(slots=True)
class _Way:
    """Where a track last stood clearly on one side of each line."""

    names: Names = dataclasses.field(default_factory=Names)
    clear: dict[str, Point] = dataclasses.field(default_factory=dict)


class Lines(Stage):
    """A track counts each time that it comes from one side to the other; what trembles on a line does not."""

    stateless: ClassVar[bool] = False
    Options: ClassVar[type] = LinesOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._options: LinesOptions = context.options
        self.reset()

    def reset(self) -> None:
        """Begin at zero."""
        self._ways = TrackMemory(lambda _: _Way())
        self._counts: dict[str, int] = {}

    def __call__(self, frame: Frame) -> Frame:
        """Add the frame's events, and set its counts."""
        events = [event for found in frame.detections if found.track for event in self._look(found)]
        for event in events:
            key = f"{event.place} {event.label} {event.direction}"
            self._counts[key] = self._counts.get(key, 0) + 1
        frame.events = (*frame.events, *events)
        frame.counts = {**frame.counts, **self._counts}
        return frame

    def _look(self, found: Detection) -> list[SceneEvent]:
        way, here, events = self._ways.of(found), anchor_of(found, self._options.anchor), list[SceneEvent]()
        way.names.see(found)
        for name, line in self._options.lines.items():
            side = _side(line, here)
            if abs(side) < self._options.margin_px:
                continue
            before = way.clear.get(name, here)
            if way.names.frames < self._options.min_frames:  # too short to believe: where it came from stays
                way.clear.setdefault(name, here)
                continue
            way.clear[name] = here
            if side * _side(line, before) < 0 and _meets(line, before, here):
                direction = "in" if side > 0 else "out"
                label, track = way.names.most, found.track
                events.append(SceneEvent(kind="crossed", place=name, label=label, track=track, direction=direction))
        return events


def _side(line: LineAcross, point: Point) -> float:
    """How far right of the line a point lies, in pixels, seen from its start to its end; y points down."""
    (x, y), (right, down) = line.start_px, (line.end_px[0] - line.start_px[0], line.end_px[1] - line.start_px[1])
    return float((right * (point[1] - y) - down * (point[0] - x)) / (right * right + down * down) ** 0.5)


def _meets(line: LineAcross, before: Point, here: Point) -> bool:
    """Whether the way from a point to another leads between the line's ends. They lie on its two sides."""
    one, other = _side(line, before), _side(line, here)
    share = one / (one - other)
    x, y = before[0] + share * (here[0] - before[0]), before[1] + share * (here[1] - before[1])
    (x1, y1), (x2, y2) = line.start_px, line.end_px
    along = (x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)
    return bool(0 <= along <= (x2 - x1) ** 2 + (y2 - y1) ** 2)
