"""What a model finds in golden frames, beside what it must find. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.golden.changes import DetectionChange, changes, rounded
from edgekit.schema.detection import Detection
from edgekit.schema.recipe import Golden


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReport:
    """One golden frame."""

    frame: str
    """Its file name, by which its answers go."""
    file: Path
    found: tuple[Detection, ...]
    """By the float model, as it is written."""
    changes: tuple[DetectionChange, ...]
    """From the golden answers that are there."""

    @property
    def within(self) -> bool:
        """Whether the recipe's tolerances take every change."""
        return all(change.within for change in self.changes)

    @property
    def words(self) -> str:
        """`frame-020.png: 7 found, as before`."""
        what = "; ".join(map(str, self.changes)) or "as before"
        return f"{self.frame}: {len(self.found)} found, {what}"


def compare_frames(
    files: tuple[Path, ...],
    found: tuple[tuple[Detection, ...], ...],
    before: Mapping[str, tuple[Detection, ...]],
    golden: Golden,
) -> tuple[FrameReport, ...]:
    """Hold what was found against the golden answers.

    Args:
        files: the frames.
        found: the detections in each.
        before: golden answers by the frame's name; one that is not there has none.
        golden: tolerances.
    """
    reports = []
    for file, detections in zip(files, found, strict=True):
        now = rounded(detections)
        changed = changes(before.get(file.name, ()), now, position_px=golden.position_px, score=golden.score)
        reports.append(FrameReport(frame=file.name, file=file, found=now, changes=changed))
    return tuple(reports)
