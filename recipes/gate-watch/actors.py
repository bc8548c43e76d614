"""Who is on the street: people, cars and bicycles as solid figures, drawn where a camera sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from street import FINE, HEIGHT_PX, WIDTH_PX, Camera

CLASSES = ("person", "car", "bicycle")
Colour = tuple[int, int, int]
_SHIFT = 4  # cv2 draws at sixteenths of a pixel
_PAINTS = (
    (176, 30, 34),
    (32, 62, 128),
    (208, 210, 212),
    (44, 46, 50),
    (120, 124, 128),
    (226, 226, 222),
    (28, 96, 84),
    (196, 150, 60),
)
_CLOTHES = (
    (52, 60, 92), (150, 44, 48), (66, 66, 70), (206, 196, 178), (60, 98, 74), (196, 148, 60), (104, 70, 110),
        (36, 38, 44),
    (118, 146, 176), (222, 224, 226),
)  # fmt: skip
_SKINS, _HAIRS = (
    ((232, 190, 160), (196, 148, 114), (120, 82, 60)),
    ((42, 34, 30), (96, 68, 44), (176, 150, 104), (70, 70, 72)),
)
_GLASS: Colour = (54, 66, 78)
# Side views, x and z in metres from the middle of a car of 4.3 m, from the rear bumper over the roof to the front one.
_BODIES = {
    "saloon": [(-2.15, 0.3), (-2.13, 0.82), (-1.55, 0.98), (-0.85, 1.42), (0.45, 1.42), (1.15, 0.98),
        (2.02, 0.84), (2.15, 0.5), (2.12, 0.3)],
    "hatch": [(-2.1, 0.3), (-2.08, 0.95), (-1.75, 1.46), (0.35, 1.48), (1.1, 1.0), (2.0, 0.86), (2.13, 0.5),
        (2.1, 0.3)],
    "van": [(-2.4, 0.35), (-2.4, 1.95), (-2.25, 2.05), (1.1, 2.05), (1.75, 1.25), (2.3, 1.05), (2.42, 0.6),
        (2.4, 0.35)],
}  # fmt: skip
_WINDOWS = {
    "saloon": [[(-1.25, 0.98), (-0.80, 1.33), (-0.25, 1.33), (-0.25, 0.98)], [(-0.15, 0.98), (-0.15, 1.33),
        (0.42, 1.33), (0.95, 0.98)]],
    "hatch": [[(-1.72, 1.0), (-1.55, 1.37), (-0.45, 1.39), (-0.45, 1.0)], [(-0.35, 1.0), (-0.35, 1.39),
        (0.33, 1.39), (0.92, 1.0)]],
    "van": [[(0.35, 1.25), (0.35, 1.85), (1.05, 1.85), (1.55, 1.25)]],
}  # fmt: skip
_PANES = {"saloon": {2, 4}, "hatch": {1, 3}, "van": {3}}
"""Which of a body's edges are windscreens."""


@dataclass(frozen=True)
class Actor:
    """One figure and the way that it goes, always the same way."""

    kind: str
    start_m: tuple[float, float]
    """x and y of where its middle stands on the ground at `start_s`."""
    speed_m: tuple[float, float]
    """Along and across the street, a second."""
    start_s: float = 0.0
    body: str = "hatch"
    size: float = 1.0
    colours: tuple[Colour, ...] = ()
    phase: float = 0.0

    def at(self, time_s: float) -> tuple[float, float]:
        gone = time_s - self.start_s
        return self.start_m[0] + gone * self.speed_m[0], self.start_m[1] + gone * self.speed_m[1]

    @property
    def facing(self) -> float:
        """1 where it looks to the right, else -1."""
        return 1.0 if self.speed_m[0] >= 0 else -1.0


@dataclass
class Seen:
    """What a picture shows of one actor."""

    kind: str
    box: tuple[float, float, float, float]
    """Left, top, right, bottom of the whole figure in pixels, also where something hides it or the picture ends."""
    visible: float = 1.0
    """Share of its pixels that can be seen, of all that it would have in an endless picture with nobody else."""


@dataclass
class Pen:
    """Draws solid things in the order in which they are told; notes how far the present one reaches."""

    camera: Camera
    canvas: np.ndarray
    """uint8[height * FINE, width * FINE, 3], RGB."""
    owners: np.ndarray = field(default_factory=lambda: np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8))
    owner: int = 0
    reach: list[np.ndarray] = field(default_factory=list)

    def polygon(self, points_m: Sequence[Sequence[float]], colour: Sequence[float]) -> None:
        self._fill(self.camera.project(np.asarray(points_m, float))[:, :2], colour)

    def disc(self, middle_m: Sequence[float], radius_m: float, colour: Sequence[float], flat: float = 1.0) -> None:
        x, y, per_m = self.camera.project(np.asarray(middle_m, float))[0]
        angle = np.linspace(0, 2 * math.pi, 20, endpoint=False)
        offsets = np.stack([np.cos(angle) * flat, np.sin(angle)], 1) * radius_m * per_m
        self._fill(np.array([x, y]) + offsets, colour)

    def limb(self, points_m: Sequence[Sequence[float]], width_m: float, colour: Sequence[float]) -> None:
        """A bent line of some thickness, round at both ends."""
        points = self.camera.project(np.asarray(points_m, float))
        for one, other in pairwise(points):
            way = other[:2] - one[:2]
            side = np.array([-way[1], way[0]]) / max(1e-6, float(np.hypot(*way))) * width_m / 2 * one[2]
            self._fill(np.array([one[:2] + side, other[:2] + side, other[:2] - side, one[:2] - side]), colour)
        for point in points_m:
            self.disc(point, width_m / 2, colour)

    def wheel(self, middle_m: Sequence[float], radius_m: float, colour: Sequence[float]) -> None:
        """A disc that stands along the street."""
        angle = np.linspace(0, 2 * math.pi, 24, endpoint=False)
        x, y, z = middle_m
        self.polygon([(x + radius_m * math.cos(a), y, z + radius_m * math.sin(a)) for a in angle], colour)

    def ring(self, middle_m: Sequence[float], radius_m: float, width_m: float, colour: Sequence[float]) -> None:
        angle = np.linspace(0, 2 * math.pi, 20)
        x, y, z = middle_m
        points = self.camera.project(
            np.array([(x + radius_m * math.cos(a), y, z + radius_m * math.sin(a)) for a in angle])
        )
        self.reach.append(points[:, :2])
        thick = max(1, round(width_m * points[0, 2] * FINE))
        cv2.polylines(self.canvas, [self._fixed(points[:, :2], FINE)], True, tuple(colour), thick, cv2.LINE_AA, _SHIFT)
        fixed = self._fixed(points[:, :2], 1)
        cv2.polylines(self.owners, [fixed], True, self.owner, max(1, thick // FINE), cv2.LINE_8, _SHIFT)

    def _fill(self, points: np.ndarray, colour: Sequence[float]) -> None:
        self.reach.append(points)
        paint = tuple(float(min(255, max(0, level))) for level in colour)
        cv2.fillPoly(self.canvas, [self._fixed(points, FINE)], paint, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(self.owners, [self._fixed(points, 1)], self.owner, cv2.LINE_8, _SHIFT)

    @staticmethod
    def _fixed(points: np.ndarray, fine: int) -> np.ndarray:
        clipped = np.clip(points, -4000, 4000)
        return np.round((clipped * fine - 0.5) * (1 << _SHIFT)).astype(np.int32)


def random_actor(rng: np.random.Generator, kind: str) -> Actor:
    """Somebody; where and how fast is the caller's."""
    paints = _PAINTS if kind == "car" else _CLOTHES
    shade = rng.uniform(0.85, 1.1)

    def pick(choices: Sequence[Colour]) -> Colour:
        return tuple(int(min(255, level * shade)) for level in choices[int(rng.integers(len(choices)))])  # type: ignore[return-value]

    colours = (pick(paints), pick(_CLOTHES), pick(_SKINS), pick(_HAIRS), pick(_PAINTS))
    size = float(rng.uniform(0.92, 1.08)) if kind != "person" else float(rng.normal(1.0, 0.06))
    return Actor(
        kind=kind,
        start_m=(0.0, 0.0),
        speed_m=(1.0, 0.0),
        body=str(rng.choice(list(_BODIES))),
        size=min(1.14, max(0.8, size)),
        colours=colours,
        phase=float(rng.uniform(0, 2 * math.pi)),
    )


def draw_actor(pen: Pen, actor: Actor, time_s: float, lamps: bool) -> None:
    """One figure, where it is now."""
    x, y = actor.at(time_s)
    match actor.kind:
        case "car":
            _car(pen, actor, x, y, lamps)
        case "bicycle":
            _bicycle(pen, actor, x, y, time_s)
        case _:
            _person(pen, actor, x, y, time_s)


def _car(pen: Pen, actor: Actor, x: float, y: float, lamps: bool) -> None:
    paint, size, facing = np.array(actor.colours[0], float), actor.size, actor.facing
    near, far = y - 0.88, y + 0.88
    eye = pen.camera.place()

    def at(u: float, side: float, z: float) -> tuple[float, float, float]:
        return (x + facing * u * size, side, z * size)

    profile = _BODIES[actor.body]
    pen.polygon([at(u, side, 0.12) for u, side in ((-2.0, near), (2.0, near), (2.0, far), (-2.0, far))], (22, 22, 24))
    for index, ((u, z), (u2, z2)) in enumerate(pairwise(profile)):
        corners = [at(u, near, z), at(u2, near, z2), at(u2, far, z2), at(u, far, z)]
        out = np.array([facing * -(z2 - z), 0.0, u2 - u])
        if out @ (eye - np.array(corners[0])) <= 0:
            continue
        up = out[2] / max(1e-6, float(np.hypot(out[0], out[2])))
        colour = np.array(_GLASS) + 34 * up if index in _PANES[actor.body] else paint * (0.78 + 0.34 * max(0.0, up))
        pen.polygon(corners, colour)
    pen.polygon([at(u, near, z) for u, z in profile], paint * 0.86)
    pen.polygon([at(u, near, z) for u, z in ((-2.1, 0.3), (2.1, 0.3), (2.12, 0.45), (-2.12, 0.45))], paint * 0.55)
    for window in _WINDOWS[actor.body]:
        pen.polygon([at(u, near, z) for u, z in window], _GLASS)
    for u in (-1.35, 1.32):
        pen.wheel(at(u, near - 0.01, 0.33), 0.34 * size, (24, 24, 26))
        pen.wheel(at(u, near - 0.02, 0.33), 0.2 * size, (150, 152, 156))
    for u, colour in (
        (2.06, (255, 246, 214) if lamps else (226, 228, 222)),
        (-2.06, (226, 36, 30) if lamps else (150, 34, 32)),
    ):
        pen.polygon(
            [
                at(u + 0.06, near - 0.01, 0.62),
                at(u - 0.14, near - 0.01, 0.62),
                at(u - 0.14, near - 0.01, 0.76),
                at(u + 0.06, near - 0.01, 0.76),
            ],
            colour,
        )


def _person(pen: Pen, actor: Actor, x: float, y: float, time_s: float) -> None:
    coat, trousers, skin, hair, _ = (np.array(colour, float) for colour in actor.colours)
    size, facing = actor.size, actor.facing
    speed = max(0.6, abs(actor.speed_m[0]) + abs(actor.speed_m[1]))
    stride = actor.phase + time_s * speed * 4.2
    bounce = 0.02 * abs(math.sin(stride))

    def at(u: float, v: float, z: float) -> tuple[float, float, float]:
        return (x + facing * u * size, y + v * size, (z + (bounce if z > 0.3 else 0)) * size)

    for side, swing, shade in ((0.10, math.sin(stride), 0.72), (-0.10, -math.sin(stride), 1.0)):
        knee, lift = 0.22 * swing + 0.05, 0.10 * max(0.0, -math.cos(stride) * (1 if side > 0 else -1))
        foot = 0.38 * swing
        pen.limb([at(0, side, 0.88), at(knee, side, 0.48), at(foot, side, 0.07 + lift)], 0.15 * size, trousers * shade)
        pen.limb([at(foot, side, 0.05 + lift), at(foot + 0.14, side, 0.05 + lift)], 0.09 * size, (34, 30, 30))
        if side > 0:
            _arm(pen, at, (side * 2.1, -swing, size), coat * 0.72, skin)
    pen.limb([at(0, 0, 0.92), at(0.01, 0, 1.12)], 0.32 * size, coat * 0.92)
    pen.limb([at(0.01, 0, 1.12), at(0.02, 0, 1.34)], 0.37 * size, coat)
    _arm(pen, at, (-0.21, math.sin(stride), size), coat * 0.86, skin)
    pen.limb([at(0.02, 0, 1.46), at(0.02, 0, 1.52)], 0.11 * size, skin * 0.9)
    pen.disc(at(0.03, 0, 1.63), 0.115 * size, skin, 0.88)
    pen.disc(at(-0.01, 0, 1.67), 0.108 * size, hair, 0.92)


def _arm(pen: Pen, at, way: tuple[float, float, float], sleeve: np.ndarray, skin: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    side, swing, size = way
    pen.limb(
        [at(0, side, 1.38), at(0.12 * swing - 0.03, side, 1.12), at(0.30 * swing + 0.06, side, 0.9)], 0.1 * size, sleeve
    )
    pen.disc(at(0.31 * swing + 0.07, side, 0.86), 0.055 * size, skin)


def _bicycle(pen: Pen, actor: Actor, x: float, y: float, time_s: float) -> None:
    coat, trousers, skin, hair, paint = (np.array(colour, float) for colour in actor.colours)
    size, facing = actor.size, actor.facing
    turn = actor.phase + time_s * abs(actor.speed_m[0]) * 1.9

    def at(u: float, v: float, z: float) -> tuple[float, float, float]:
        return (x + facing * u * size, y + v * size, z * size)

    pedals = [(0.17 * math.cos(turn + half), 0.30 + 0.17 * math.sin(turn + half)) for half in (0.0, math.pi)]
    for (u, z), side, shade in ((pedals[0], 0.1, 0.7), (pedals[1], -0.1, 1.0)):
        if side < 0:
            for hub in (-0.52, 0.55):
                pen.ring(at(hub, 0, 0.34), 0.33 * size, 0.055, (26, 26, 28))
            for one, other in (
                ((-0.52, 0.34), (-0.18, 0.8)),
                ((-0.52, 0.34), (0.0, 0.3)),
                ((0.0, 0.3), (-0.2, 0.92)),
                ((0.0, 0.3), (0.44, 0.82)),
                ((-0.17, 0.78), (0.42, 0.85)),
                ((0.55, 0.34), (0.4, 1.0)),
            ):
                pen.limb([at(one[0], 0, one[1]), at(other[0], 0, other[1])], 0.045 * size, paint)
            pen.limb([at(-0.32, 0, 0.95), at(-0.1, 0, 0.95)], 0.07 * size, (30, 28, 28))
            pen.limb([at(0.4, 0, 1.02), at(0.5, -0.05, 1.05)], 0.05 * size, (40, 40, 42))
        knee = (0.28 + 0.5 * u, 0.5 + 0.55 * z)
        pen.limb(
            [at(-0.2, side, 1.0), at(*[knee[0], side, knee[1]]), at(u, side, z + 0.06)], 0.14 * size, trousers * shade
        )
        pen.limb([at(u, side, z + 0.03), at(u + 0.13, side, z + 0.03)], 0.08 * size, (34, 30, 30))
    pen.limb([at(-0.2, 0, 1.05), at(0.02, 0, 1.3), at(0.14, 0, 1.44)], 0.33 * size, coat)
    pen.limb([at(0.14, -0.17, 1.42), at(0.3, -0.19, 1.2), at(0.46, -0.1, 1.08)], 0.1 * size, coat * 0.84)
    pen.disc(at(0.26, 0, 1.66), 0.112 * size, skin, 0.9)
    pen.disc(at(0.22, 0, 1.71), 0.115 * size, hair, 0.95)
