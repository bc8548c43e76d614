"""How a frame lies in a model's input, and the way back to the frame's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.schema.recipe import ColourContract


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Where the scaled picture lies in the input. Coordinates are continuous: 0 is the first pixel's left edge."""

    source_width_px: int
    """Size of the part of the frame that is taken; all of it, unless it is cropped."""
    source_height_px: int
    width_px: int
    """Size of the scaled picture; smaller than the input where it is letterboxed."""
    height_px: int
    left_px: int = 0
    top_px: int = 0
    source_left_px: int = 0
    """Where the part that is taken lies in its camera's picture: detections stand in that picture's pixels."""
    source_top_px: int = 0

    def to_source(self, x_px: float, y_px: float) -> tuple[float, float]:
        """A point in the model's input as a point in the camera's picture."""
        return (
            (x_px - self.left_px) * self.source_width_px / self.width_px + self.source_left_px,
            (y_px - self.top_px) * self.source_height_px / self.height_px + self.source_top_px,
        )

    def to_input(self, x_px: float, y_px: float) -> tuple[float, float]:
        """A point in the camera's picture as a point in the model's input."""
        return (
            (x_px - self.source_left_px) * self.width_px / self.source_width_px + self.left_px,
            (y_px - self.source_top_px) * self.height_px / self.source_height_px + self.top_px,
        )

    def points_to_source(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Points [..., 2] in the model's input as points in the camera's picture."""
        x_px, y_px = self.to_source(points[..., 0], points[..., 1])  # type: ignore[arg-type]
        return np.stack([x_px, y_px], axis=-1)

    def boxes_to_source(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes [n, 4] by their corners in the model's input, in the camera's picture, cut off at the frame's edge."""
        low = np.array([self.source_left_px, self.source_top_px], np.float32)
        size = np.array([self.source_width_px, self.source_height_px], np.float32)
        points = self.points_to_source(boxes.reshape(-1, 2, 2))
        return np.clip(points, low, low + size).reshape(-1, 4)

    def inside(self, x_px: float, y_px: float) -> tuple[float, float]:
        """The nearest point of the frame to one in the camera's picture."""
        return (
            min(max(x_px, self.source_left_px), self.source_left_px + self.source_width_px),
            min(max(y_px, self.source_top_px), self.source_top_px + self.source_height_px),
        )


def plan_fit(width_px: int, height_px: int, contract: ColourContract) -> Fit:
    """Lay a frame of this size into the model's input: stretched, whole with bars around it, or its middle alone."""
    if contract.fit == "letterbox":
        return _letterbox(width_px, height_px, contract)
    left_px, top_px, part_width_px, part_height_px = 0, 0, width_px, height_px
    if contract.fit == "crop":
        scale = min(width_px / contract.width_px, height_px / contract.height_px)
        part_width_px = _even(contract.width_px * scale, width_px)
        part_height_px = _even(contract.height_px * scale, height_px)
        if contract.align == "centre":
            left_px, top_px = (width_px - part_width_px) // 4 * 2, (height_px - part_height_px) // 4 * 2
    return Fit(
        source_width_px=part_width_px,
        source_height_px=part_height_px,
        width_px=contract.width_px,
        height_px=contract.height_px,
        source_left_px=left_px,
        source_top_px=top_px,
    )


def _letterbox(width_px: int, height_px: int, contract: ColourContract) -> Fit:
    scale = min(contract.width_px / width_px, contract.height_px / height_px)
    inner_width_px = max(1, min(contract.width_px, round(width_px * scale)))
    inner_height_px = max(1, min(contract.height_px, round(height_px * scale)))
    centred = contract.align == "centre"
    return Fit(
        source_width_px=width_px,
        source_height_px=height_px,
        width_px=inner_width_px,
        height_px=inner_height_px,
        left_px=(contract.width_px - inner_width_px) // 2 if centred else 0,
        top_px=(contract.height_px - inner_height_px) // 2 if centred else 0,
    )


def _even(size_px: float, whole_px: int) -> int:
    """The nearest even size, as chroma has a sample for each two pixels; the whole where that is it."""
    size = round(size_px)
    return size if size == whole_px else max(2, min(whole_px, round(size_px / 2) * 2))
