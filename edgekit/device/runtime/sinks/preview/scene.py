"""What stands still in the pictures: lines and zones, as the plan's stages have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from edgekit.imaging.annotation import Canvas
from edgekit.schema.plan import StagePlan
from edgekit.schema.reader import from_raw
from edgekit.schema.stages.scene import LineAcross, LinesOptions, ZonesOptions

_ALONG = (0.55, 0.35, 0.75, 0.15, 0.0, 1.0)
"""Where along a line its name may stand: beside its arrow best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """Lines and zones by name, in pixels of a camera's whole picture."""

    lines: dict[str, LineAcross] = field(default_factory=dict)
    zones: dict[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)

    def draw(self, canvas: Canvas) -> None:
        """Zones first: they are large."""
        for name, corners in self.zones.items():
            canvas.area(name, corners)
        for name, line in self.lines.items():
            canvas.line(name, line.start_px, line.end_px)

    def name(self, canvas: Canvas) -> None:
        """Names, where no other words stand."""
        for name, corners in self.zones.items():
            canvas.name(name, corners)
        for name, line in self.lines.items():
            (left, top), (right, bottom) = line.start_px, line.end_px
            canvas.name(name, [(left + share * (right - left), top + share * (bottom - top)) for share in _ALONG])


def scenery_of(stages: Iterable[StagePlan]) -> Scenery:
    """Read it from the options of a plan's `lines` and `zones`."""
    lines: dict[str, LineAcross] = {}
    zones: dict[str, tuple[tuple[float, ...], ...]] = {}
    for stage in stages:
        if stage.kind == "lines":
            lines |= from_raw(LinesOptions, stage.options, "plan.json", key=f"stages.{stage.name}").lines
        elif stage.kind == "zones":
            zones |= from_raw(ZonesOptions, stage.options, "plan.json", key=f"stages.{stage.name}").zones
    return Scenery(lines=lines, zones=zones)
