"""From surfaces to what a sensor says: sun, dusk, lamps, glare, noise; and the colours in which H.264 keeps it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from actors import Actor
from street import HEIGHT_PX, WIDTH_PX, Backdrop, Camera


@dataclass(frozen=True)
class Light:
    """What falls on the street, and how well the sensor sees by it."""

    ambient: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """What is left of each colour."""
    shadow: float = 0.45
    """How much darker it is where the sun does not come."""
    sun: tuple[float, float] = (0.5, 0.7)
    """How far a shadow falls along and across the street, for each metre of height."""
    shade_m: float = 100.0
    """From where across the street the houses' own shadow lies."""
    lamps_m: tuple[float, ...] = ()
    """Where street lamps shine, along the street. Cars have their lights on then."""
    glare: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """x and y in the picture and strength of a sun that shines into the lens."""
    noise: float = 1.5
    """Standard deviation of a sensor's noise, in levels."""
    blur_px: float = 0.5


def shadows(light: Light, camera: Camera, actors: list[tuple[Actor, float, float]]) -> np.ndarray:
    """How much of the sun each pixel has: float32[height, width, 1], 0..1.

    Args:
        light: the sun.
        camera: who looks.
        actors: each with where it stands.
    """
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    for actor, x, y in actors:
        half, wide, high = {"person": (0.2, 0.2, 1.6), "car": (2.0, 0.8, 1.2), "bicycle": (0.8, 0.15, 1.5)}[actor.kind]
        foot = np.array([(-half, -wide), (half, -wide), (half, wide), (-half, wide)])
        tip = foot * (0.8 if actor.kind == "car" else 0.6) + np.array(light.sun) * high
        outline = cv2.convexHull(np.concatenate([foot, tip]).astype(np.float32))[:, 0]
        points = np.concatenate([outline + np.array([x, y]), np.zeros((len(outline), 1))], axis=1)
        cv2.fillPoly(mask, [np.round(np.clip(camera.project(points)[:, :2], -4000, 4000)).astype(np.int32)], 255)
    return 1 - light.shadow * cv2.GaussianBlur(mask, (0, 0), 1.6).astype(np.float32)[..., None] / 255


def fixed_light(light: Light, back: Backdrop) -> np.ndarray:
    """What never changes: ambient, the houses' shadow, pools of lamps: float32[height, width, 3]."""
    x, y = back.ground[..., 0], back.ground[..., 1]
    edge = light.shade_m + 0.5 * np.sin(x * 0.9) + 0.7 * np.sign(np.sin(x * 0.37))
    lit = 1 - 0.9 * light.shadow / (1 + np.exp(np.clip((edge - y) * 6, -40, 40)))
    total = np.array(light.ambient, np.float32) * lit[..., None]
    for lamp in light.lamps_m:
        far = np.sqrt((x - lamp) ** 2 + (y - 7.6) ** 2 + 4.0)
        total = total + np.array([0.78, 0.62, 0.40]) * (3.4 / far**1.5)[..., None]
    column, row = np.meshgrid(np.linspace(-1, 1, WIDTH_PX), np.linspace(-1, 1, HEIGHT_PX))
    return (total * (1 - 0.10 * (column**2 + row**2))[..., None]).astype(np.float32)


def headlights(light: Light, camera: Camera, actors: list[tuple[Actor, float, float]]) -> np.ndarray | None:
    """Pools before cars and the lamps' own shine, added: float32[height, width, 3]; None by day."""
    if not light.lamps_m:
        return None
    small = np.zeros((HEIGHT_PX // 2, WIDTH_PX // 2, 3), np.float32)
    for actor, x, y in actors:
        if actor.kind != "car":
            continue
        facing, size = actor.facing, actor.size
        fan = [
            (x + facing * (2.2 + u), y + v, 0.0) for u, v in ((0, -0.6), (6.5, -1.9), (7.2, 0.3), (6.0, 2.2), (0, 0.6))
        ]
        pool = np.zeros(small.shape[:2], np.float32)
        points = np.clip(camera.project(np.array(fan))[:, :2] / 2, -2000, 2000)
        cv2.fillPoly(pool, [np.round(points).astype(np.int32)], 46.0)
        small += cv2.GaussianBlur(pool, (0, 0), 6)[..., None] * np.array([1.0, 0.92, 0.7], np.float32)
        for u, colour, strength in ((2.1, (1.0, 0.95, 0.8), 150.0), (-2.1, (1.0, 0.15, 0.1), 70.0)):
            px, py, per_m = camera.project(np.array([x + facing * u * size, y - 0.7, 0.68]))[0]
            shine = np.zeros(small.shape[:2], np.float32)
            cv2.circle(shine, (int(px / 2), int(py / 2)), max(1, int(per_m * 0.1)), strength, -1)
            small += cv2.GaussianBlur(shine, (0, 0), max(1.0, per_m * 0.14))[..., None] * np.array(colour, np.float32)
    return cv2.resize(small, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_LINEAR)


def sense(rgb: np.ndarray, light: Light, time_s: float, rng: np.random.Generator) -> np.ndarray:
    """Lens and sensor: float32[height, width, 3], 0..255, of light that may be more than that."""
    x, y, strength = light.glare
    if strength:
        column, row = np.meshgrid(np.arange(WIDTH_PX, dtype=np.float32), np.arange(HEIGHT_PX, dtype=np.float32))
        far = np.hypot(column - x, row - y)
        waves = strength * (1 + 0.15 * math.sin(time_s / 3.1))
        shine = waves * (210 * np.exp(-far / 90) + 62 * np.exp(-far / 400))
        rgb = rgb + shine[..., None] * np.array([1.0, 0.93, 0.78], np.float32)
    rgb = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), light.blur_px)
    grain = rng.standard_normal((HEIGHT_PX, WIDTH_PX, 1), np.float32)
    grain = grain + 0.5 * rng.standard_normal((HEIGHT_PX, WIDTH_PX, 3), np.float32)
    exposure = 1 + 0.01 * math.sin(time_s * 1.3)
    return np.clip(rgb * exposure + grain * light.noise, 0, 255)


def to_yuv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """BT.709, limited range, 4:2:0 with chroma sited left, as H.264 has it by default.

    Source: ITU-R BT.709-6, section 3; ITU-T H.273, 8.3.
    """
    kr, kb = 0.2126, 0.0722
    red, green, blue = (rgb[..., index] / 255 for index in range(3))
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    u = 128 + 224 * (blue - luma) / (2 * (1 - kb))
    v = 128 + 224 * (red - luma) / (2 * (1 - kr))
    return _bytes(16 + 219 * luma), _bytes(_halve(u)), _bytes(_halve(v))


def _halve(plane: np.ndarray) -> np.ndarray:
    rows = (plane[0::2] + plane[1::2]) / 2
    padded = np.pad(rows, ((0, 0), (1, 1)), mode="edge")
    return (padded[:, 0:-2:2] + 2 * padded[:, 1:-1:2] + padded[:, 2::2]) / 4


def _bytes(plane: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)
