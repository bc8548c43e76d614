"""A street and the cameras that look at it: geometry, and the background that nothing moves on.

Metres: x along the street, y away from the near kerb, z up. The near pavement lies before the kerb, the road between
0 and `ROAD_M`, the far pavement up to the houses at `HOUSES_M`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 640, 360
FINE = 2
"""All is drawn so many times larger and scaled down: that is what makes edges smooth."""
NEAR_M, ROAD_M, HOUSES_M = -3.6, 7.0, 10.8
_WALLS = (
    (150, 84, 66),
    (205, 188, 156),
    (142, 146, 150),
    (188, 148, 88),
    (110, 128, 146),
    (164, 176, 150),
    (190, 120, 100),
)
_SIGNS = ((170, 40, 44), (30, 84, 120), (36, 96, 70), (190, 140, 40), (60, 56, 66), (120, 60, 110))


@dataclass(frozen=True)
class Camera:
    """A pinhole on a mast."""

    away_m: float
    """Before the near kerb."""
    height_m: float
    yaw_deg: float
    pitch_deg: float
    focal_px: float
    x_m: float = 0.0

    def axes(self) -> np.ndarray:
        """Right, up and forward as rows: float64[3, 3]."""
        yaw, pitch = math.radians(self.yaw_deg), math.radians(self.pitch_deg)
        sin, cos, down, level = math.sin(yaw), math.cos(yaw), math.sin(pitch), math.cos(pitch)
        return np.array([[cos, -sin, 0], [sin * down, cos * down, level], [sin * level, cos * level, -down]])

    def place(self) -> np.ndarray:
        return np.array([self.x_m, -self.away_m, self.height_m])

    def project(self, points_m: np.ndarray) -> np.ndarray:
        """World to pixels: x, y and pixels a metre, float64[n, 3]."""
        seen = (np.atleast_2d(points_m) - self.place()) @ self.axes().T
        per_m = self.focal_px / np.maximum(seen[:, 2], 0.3)
        return np.stack([WIDTH_PX / 2 + seen[:, 0] * per_m, HEIGHT_PX / 2 - seen[:, 1] * per_m, per_m], axis=1)

    def rays(self, fine: int) -> np.ndarray:
        """Where each pixel looks: float64[height * fine, width * fine, 3]."""
        x = ((np.arange(WIDTH_PX * fine) + 0.5) / fine - WIDTH_PX / 2) / self.focal_px
        y = (HEIGHT_PX / 2 - (np.arange(HEIGHT_PX * fine) + 0.5) / fine) / self.focal_px
        right, up, forward = self.axes()
        return x[None, :, None] * right + y[:, None, None] * up + forward


@dataclass(frozen=True)
class House:
    """One front, from `left_m` on."""

    left_m: float
    wall: tuple[int, int, int]
    sign: tuple[int, int, int]
    height_m: float
    pitch_m: float


@dataclass(frozen=True)
class Street:
    """What stands and lies there."""

    houses: tuple[House, ...]
    zebra_m: float
    """Where people may cross; far away: nowhere in sight."""
    tint: float
    grain: np.ndarray = field(repr=False)
    """Noise to draw surfaces with: float32[512, 512], wraps around."""
    lit: float = 0.0
    """How many windows have light in them."""


def make_street(rng: np.random.Generator, lit: float = 0.0) -> Street:
    """A street of its own."""
    houses, left = [], -45.0
    while left < 45:
        wall = np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.85, 1.12)
        houses.append(
            House(
                left_m=left,
                wall=tuple(int(level) for level in np.clip(wall, 0, 255)),
                sign=_SIGNS[int(rng.integers(len(_SIGNS)))],
                height_m=float(rng.uniform(8.5, 14)),
                pitch_m=float(rng.uniform(2.0, 2.8)),
            )
        )
        left += float(rng.uniform(6, 11))
    grain = cv2.GaussianBlur(np.tile(rng.normal(0, 1, (512, 512)).astype(np.float32), (3, 3)), (0, 0), 1.6)
    coarse = cv2.GaussianBlur(np.tile(rng.normal(0, 1, (512, 512)).astype(np.float32), (3, 3)), (0, 0), 12)
    noise = (grain / grain.std() + 0.8 * coarse / coarse.std())[512:1024, 512:1024]
    zebra = float(rng.uniform(-8, 8)) if rng.uniform() < 0.5 else 1000.0
    return Street(tuple(houses), zebra, float(rng.uniform(0.9, 1.1)), np.ascontiguousarray(noise), lit)


@dataclass(frozen=True)
class Backdrop:
    """A street seen by a camera, without anybody, `FINE` times as large as the picture."""

    albedo: np.ndarray
    """What surfaces reflect: uint8[h, w, 3], RGB."""
    glow: np.ndarray
    """Light of its own: float32[height, width, 3] of the picture, 0..255."""
    ground: np.ndarray
    """Where each of the picture's pixels lies: float32[height, width, 2], x and y in metres."""


def look(street: Street, camera: Camera) -> Backdrop:
    """Draw the background: each pixel's ray ends on a house, on the ground, or in the sky."""
    rays, place = camera.rays(FINE), camera.place()
    to_wall = (HOUSES_M - place[1]) / np.maximum(rays[..., 1], 1e-6)
    wall_x, wall_z = place[0] + to_wall * rays[..., 0], place[2] + to_wall * rays[..., 2]
    to_ground = -place[2] / np.minimum(rays[..., 2], -1e-6)
    ground_x, ground_y = place[0] + to_ground * rays[..., 0], place[1] + to_ground * rays[..., 1]
    picture, light = _houses(street, wall_x, wall_z)
    on_ground = (wall_z < 0)[..., None]
    picture = np.where(on_ground, _ground(street, ground_x, ground_y), picture)
    x, y = np.where(wall_z < 0, ground_x, wall_x), np.where(wall_z < 0, ground_y, HOUSES_M)
    small = (WIDTH_PX, HEIGHT_PX)
    return Backdrop(
        albedo=np.clip(picture, 0, 255).astype(np.uint8),
        glow=cv2.resize(np.where(on_ground, 0, light).astype(np.float32), small, interpolation=cv2.INTER_AREA),
        ground=cv2.resize(np.stack([x, y], -1).astype(np.float32), small, interpolation=cv2.INTER_AREA),
    )


def _grain(street: Street, x: np.ndarray, y: np.ndarray, per_m: float) -> np.ndarray:
    to = [np.mod(axis * per_m, 512).astype(np.float32) for axis in (x, y)]
    return cv2.remap(street.grain, *to, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)[..., None]


def _ground(street: Street, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    fine, rough = _grain(street, x, y, 22.0), _grain(street, x + 7, y * 1.3, 3.0)
    asphalt = np.array([88, 88, 92]) * street.tint + 5 * fine + 4 * rough
    wheel = np.exp(-((np.mod(y, 3.5) - 1.0) ** 2) / 0.12) + np.exp(-((np.mod(y, 3.5) - 2.6) ** 2) / 0.12)
    asphalt = asphalt - 6 * wheel[..., None]
    slabs = np.array([150, 146, 138]) * street.tint + 5 * fine + 6 * rough
    joint = (np.mod(x, 0.9) < 0.04) | (np.mod(y, 0.6) < 0.03)
    slabs = np.where(joint[..., None], slabs - 26, slabs)
    grass = np.array([88, 112, 62]) + 14 * fine + 9 * rough
    road = (y >= 0) & (y <= ROAD_M)
    ground = np.where(road[..., None], asphalt, slabs)
    ground = np.where((y < NEAR_M)[..., None], grass, ground)
    white = 205 + 8 * fine + np.zeros(3)
    dash = road & (np.abs(y - ROAD_M / 2) < 0.07) & (np.mod(x, 3.0) < 1.6)
    edge = road & (np.minimum(np.abs(y - 0.95), np.abs(y - ROAD_M + 0.95)) < 0.05) & (np.mod(x, 1.0) < 0.55)
    zebra = road & (np.abs(x - street.zebra_m) < 1.4) & (np.mod(y, 1.0) < 0.5)
    ground = np.where((dash | edge | zebra)[..., None], white, ground)
    kerb = ((y > -0.16) & (y < 0)) | ((y > ROAD_M) & (y < ROAD_M + 0.16))
    return np.where(kerb[..., None], 176 + 5 * fine, ground)


def _houses(street: Street, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    grain = _grain(street, x, z, 14.0)
    sky = np.array([176, 202, 226]) - 2.2 * np.clip(z - 8, 0, 30)[..., None]
    picture, light = sky + np.zeros((*x.shape, 3)), np.zeros((*x.shape, 3))
    for house, after in zip(street.houses, (*street.houses[1:], None), strict=True):
        right = after.left_m if after else house.left_m + 10
        mine = (x >= house.left_m) & (x < right) & (z >= 0) & (z < house.height_m)
        if not mine.any():
            continue
        rows, columns = np.flatnonzero(mine.any(1)), np.flatnonzero(mine.any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        front, lamps = _front(street, house, right, x[part], z[part])
        picture[part] = np.where(mine[part][..., None], front + 4 * grain[part], picture[part])
        light[part] = np.where(mine[part][..., None], lamps, light[part])
    return picture, light


def _front(street: Street, house: House, right: float, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One house: a shop below, windows above, a cornice between."""
    wide, along = right - house.left_m, x - house.left_m
    columns = max(1, int(wide / house.pitch_m))
    u, v = np.mod(along, wide / columns) - wide / columns / 2, np.mod(z - 3.6, 3.1) - 1.55
    upstairs, floor = z > 3.6, np.floor((z - 3.6) / 3.1)
    bricks = (np.mod(z, 0.30) < 0.03) | (np.mod(along + 0.3 * (np.floor(z / 0.30) % 2), 0.6) < 0.03)
    front = np.array(house.wall) + np.where(bricks, -9.0, 0.0)[..., None]
    frame = upstairs & (np.abs(u) < 0.62) & (np.abs(v) < 0.95)
    glass = upstairs & (np.abs(u) < 0.50) & (np.abs(v) < 0.83) & (np.abs(u) > 0.03)
    shop = ~upstairs & (z > 0.5) & (z < 2.55) & (np.abs(u) < wide / columns / 2 - 0.18)
    door = ~upstairs & (z < 2.3) & (np.abs(along - wide * 0.5) < 0.5)
    sign = (z > 2.7) & (z < 3.3) & (along > 0.3) & (along < wide - 0.3)
    plinth = z < 0.4
    pane = np.array([62, 78, 96]) + 22 * np.clip(v + u, -1, 1)[..., None]
    shine = np.exp(-((np.mod(along * 1.3 - z * 0.8, 2.3) - 1.0) ** 2) / 0.03)
    goods = (z < 1.1 + 0.5 * np.mod(np.sin(np.floor(along / 0.55) * 9.1 + house.left_m) * 17.3, 1.0)) & (
        np.mod(along, 0.55) < 0.42
    )
    display = (
        np.array([58, 66, 74]) + 24 * shine[..., None] + np.where(goods[..., None], np.array(house.sign) * 0.45, 0.0)
    )
    front = np.where(plinth[..., None], front * 0.6, front)
    front = np.where(frame[..., None], 226.0, front)
    front = np.where(glass[..., None], pane, front)
    front = np.where(shop[..., None], display, front)
    front = np.where(door[..., None], np.array(house.sign) * 0.55, front)
    front = np.where(sign[..., None], np.array(house.sign, float), front)
    front = np.where((np.abs(z - 3.45) < 0.10)[..., None], np.array(house.wall) * 1.15, front)
    column = np.floor(along / (wide / columns))
    chance = np.mod(np.sin(column * 12.99 + floor * 78.2 + house.left_m * 3.7) * 43758.5, 1.0)
    lamps = glass & (chance < street.lit)
    warm = np.array([214, 168, 96])
    light = np.where(lamps[..., None], warm * (0.5 + 0.4 * chance[..., None]), 0.0)
    return front, light + np.where((shop & (street.lit > 0))[..., None], warm * 0.45 + 0.3 * display, 0.0)
