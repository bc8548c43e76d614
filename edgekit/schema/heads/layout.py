"""A head that a model may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.schema.stages.detect import Activation, Background, Corners, HeadName, Unit

StageKind = Literal["detect", "classify", "segment", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLayout:
    """One way to take a model's outputs."""

    kind: StageKind
    """Of the stage that takes them."""
    head: HeadName | None = None
    """Of `detect`."""
    outputs: tuple[str, ...]
    """In the head's order."""
    classes: int
    """Labels that it wants."""
    words: str
    """What it was taken for, and by what."""
    activation: Activation = "none"
    unit: Unit = "pixels"
    corners: Corners = "left_top_right_bottom"
    background: Background = "none"
    masks: int = 0
    keypoints: int = 0
