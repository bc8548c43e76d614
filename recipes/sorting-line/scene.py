"""The belt and its parts, drawn by numbers: what draw.py shows and what train.py learns from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 640, 360
SHAPES = ("disc", "square", "triangle")
PALETTE = {"red": (200, 45, 40), "green": (40, 150, 70), "blue": (40, 80, 195), "yellow": (228, 190, 45)}
"""R, G, B, full range: recipe.toml has the same."""
_SHIFT = 4  # cv2 draws at sixteenths of a pixel


@dataclass(frozen=True)
class Part:
    """One part; its centre stands at `x_px` when the belt has moved by 0."""

    shape: str
    colour: str
    x_px: float
    y_px: float
    radius_px: float
    angle: float
    shade: float

    def at(self, moved_px: float) -> float:
        return self.x_px + moved_px


def belt(rng: np.random.Generator) -> np.ndarray:
    """A belt's surface: float32[height, width * 2, 3], grey with grain and ribs, to be cut at any offset."""
    grain = cv2.GaussianBlur(rng.normal(0, 14, (HEIGHT_PX, WIDTH_PX)).astype(np.float32), (0, 0), 2.5)
    ribs = 5 * np.sin(np.arange(WIDTH_PX) * 2 * np.pi / 80).astype(np.float32)
    light = np.linspace(-8, 8, HEIGHT_PX, dtype=np.float32)[:, None]
    grey = 96 + grain * 2 + ribs + light
    tinted = np.stack([grey, grey + 2, grey + 5], axis=-1)
    return np.concatenate([tinted, tinted], axis=1)


def outline(part: Part, x_px: float) -> np.ndarray:
    """Corner points of a part, float64[n, 2]."""
    count = {"disc": 48, "square": 4, "triangle": 3}[part.shape]
    angles = part.angle + np.arange(count) * 2 * math.pi / count
    radius = part.radius_px * {"disc": 0.9, "square": 1.1, "triangle": 1.25}[part.shape]
    return np.stack([x_px + radius * np.cos(angles), part.y_px + radius * np.sin(angles)], axis=-1)


def render(surface: np.ndarray, parts: list[Part], moved_px: float, light: float) -> np.ndarray:
    """One picture: float32[height, width, 3], RGB, full range."""
    start = int(-moved_px) % WIDTH_PX
    picture = surface[:, start : start + WIDTH_PX].copy()
    for part in parts:
        x_px = part.at(moved_px)
        if -60 < x_px < WIDTH_PX + 60:
            points = outline(part, x_px)
            _fill(picture, points + 3, (38, 38, 40))
            _fill(picture, points, tuple(value * part.shade for value in PALETTE[part.colour]))
    return np.clip(picture * light, 0, 255)


def _fill(picture: np.ndarray, points: np.ndarray, colour: tuple[float, ...]) -> None:
    fixed = np.round((points - 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA if picture.dtype == np.uint8 else cv2.LINE_8, _SHIFT)


def to_yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT.709, limited range, 4:2:0 with chroma sited left, as H.264 has it by default.

    Source: ITU-R BT.709-6, section 3; ITU-T H.273, 8.3.
    """
    kr, kb = 0.2126, 0.0722
    red, green, blue = (rgb[..., index] / 255 for index in range(3))
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    y = 16 + 219 * luma
    u = 128 + 224 * (blue - luma) / (2 * (1 - kb))
    v = 128 + 224 * (red - luma) / (2 * (1 - kr))
    return _bytes(y), _bytes(_halve(u)), _bytes(_halve(v))


def _halve(plane: np.ndarray) -> np.ndarray:
    rows = (plane[0::2] + plane[1::2]) / 2
    padded = np.pad(rows, ((0, 0), (1, 1)), mode="edge")
    return (padded[:, 0:-2:2] + 2 * padded[:, 1:-1:2] + padded[:, 2::2]) / 4


def _bytes(plane: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def random_part(rng: np.random.Generator, x_px: float, y_px: float) -> Part:
    return Part(
        shape=str(rng.choice(SHAPES)),
        colour=str(rng.choice(list(PALETTE))),
        x_px=x_px,
        y_px=y_px,
        radius_px=float(rng.uniform(22, 27)),
        angle=float(rng.uniform(0, 2 * math.pi)),
        shade=float(rng.uniform(0.88, 1.05)),
    )
