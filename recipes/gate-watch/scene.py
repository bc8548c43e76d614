"""A camera's scene: its street, its light and who goes there; draws any moment of it, and knows what is in it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import cv2
import numpy as np
from actors import Actor, Pen, Seen, draw_actor, random_actor
from light import Light, fixed_light, headlights, sense, shadows
from street import FINE, HEIGHT_PX, WIDTH_PX, Backdrop, Camera, Street, look, make_street

_HIDDEN_BY_EDGE = 48


@dataclass(frozen=True)
class Prop:
    """Something that stands before the street and hides who goes behind it."""

    kind: str
    x_m: float
    y_m: float
    size: float = 1.0


@dataclass(frozen=True)
class Scene:
    """Everything that a camera sees."""

    camera: Camera
    street: Street
    light: Light
    props: tuple[Prop, ...]
    actors: tuple[Actor, ...]
    seed: int


class Painter:
    """Draws a scene at any time."""

    def __init__(self, scene: Scene, back: Backdrop | None = None) -> None:
        self._scene = scene
        self._back = back or look(scene.street, scene.camera)
        self._fixed = fixed_light(scene.light, self._back)

    def draw(self, time_s: float) -> tuple[np.ndarray, list[Seen]]:
        """One picture: float32[height, width, 3], RGB, full range; and who is in it, nearest last."""
        scene = self._scene
        pen = Pen(scene.camera, self._back.albedo.copy())
        there = [(actor, *actor.at(time_s)) for actor in scene.actors]
        there = [one for one in there if _in_sight(scene.camera, one[1], one[2])]
        seen = self._figures(pen, there, time_s)
        rgb = cv2.resize(pen.canvas, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
        sun = shadows(scene.light, scene.camera, there)
        on_figure = (pen.owners > 0)[..., None]
        rgb *= self._fixed * np.where(on_figure, 1.0, sun)
        rgb += np.where(on_figure, 0.0, self._back.glow)
        if (shine := headlights(scene.light, scene.camera, there)) is not None:
            rgb += shine
        rng = np.random.default_rng([scene.seed, round(time_s * 1000)])
        return sense(rgb, scene.light, time_s, rng), seen

    def _figures(self, pen: Pen, there: list[tuple[Actor, float, float]], time_s: float) -> list[Seen]:
        """Far things first."""
        lamps = bool(self._scene.light.lamps_m)
        order: list[tuple[float, object]] = [(y, (actor, x)) for actor, x, y in there]
        order += [(prop.y_m, prop) for prop in self._scene.props]
        drawn: list[tuple[int, Seen, int]] = []
        for _, what in sorted(order, key=lambda one: -one[0]):
            pen.reach.clear()
            if isinstance(what, Prop):
                pen.owner = 255
                _draw_prop(pen, what, self._scene.seed)
                continue
            pen.owner = len(drawn) + 1
            draw_actor(pen, what[0], time_s, lamps)  # type: ignore[index]
            points = np.concatenate(pen.reach)
            left, top, right, bottom = *points.min(0), *points.max(0)
            box = (float(left), float(top), float(right), float(bottom))
            own = np.count_nonzero(pen.owners == pen.owner)
            drawn.append((pen.owner, Seen(what[0].kind, box), own))  # type: ignore[index]
        for owner, seen, own in drawn:
            left, top, right, bottom = seen.box
            inside = max(0.0, min(right, WIDTH_PX) - max(left, 0)) * max(0.0, min(bottom, HEIGHT_PX) - max(top, 0))
            share = inside / max(1e-6, (right - left) * (bottom - top))
            seen.visible = share * np.count_nonzero(pen.owners == owner) / max(1, own)
        return [seen for _, seen, _ in drawn if seen.visible > 0]


def _in_sight(camera: Camera, x: float, y: float) -> bool:
    column, row, per_m = camera.project(np.array([x, y, 0.8]))[0]
    return -3 * per_m < column < WIDTH_PX + 3 * per_m and -3 * per_m < row < HEIGHT_PX + 3 * per_m


def _draw_prop(pen: Pen, prop: Prop, seed: int) -> None:
    x, y, size = prop.x_m, prop.y_m, prop.size
    match prop.kind:
        case "lamp":
            pen.limb([(x, y, 0), (x, y, 6.5)], 0.16, (70, 74, 78))
            pen.limb([(x, y, 0), (x, y, 0.9)], 0.26, (60, 64, 68))
            pen.limb([(x, y, 6.5), (x, y - 1.4, 6.9)], 0.12, (70, 74, 78))
        case "sign":
            pen.limb([(x, y, 0), (x, y, 2.5)], 0.07, (130, 132, 134))
            pen.disc((x, y, 2.5), 0.33, (186, 34, 36))
            pen.disc((x, y - 0.01, 2.5), 0.24, (232, 232, 230))
        case "tree":
            rng = np.random.default_rng([seed, round(x * 10) + 1000])
            pen.limb([(x, y, 0), (x + 0.05, y, 1.6), (x, y, 3.0 * size)], 0.26 * size, (84, 66, 50))
            for level in range(70):
                angle, out = rng.uniform(0, 2 * math.pi), rng.uniform(0.2, 1.6) * size
                height = 3.6 * size + out * 0.9 * math.sin(angle)
                shade = 0.62 + 0.5 * level / 70 + 0.1 * math.sin(angle)
                leaf = (62 * shade, 98 * shade, 46 * shade)
                pen.disc((x + out * math.cos(angle), y, height), float(rng.uniform(0.18, 0.42)) * size, leaf)
        case _:
            rng = np.random.default_rng([seed, round(x * 10) + 1000])
            pen.polygon([(x - size, y, 0), (x + size, y, 0), (x + size, y, 0.5), (x - size, y, 0.5)], (126, 116, 104))
            for _ in range(40):
                shade = rng.uniform(0.7, 1.15)
                middle = (x + rng.uniform(-0.95, 0.95) * size, y, 0.55 + rng.uniform(0, 0.4))
                pen.disc(middle, float(rng.uniform(0.1, 0.2)), (70 * shade, 110 * shade, 56 * shade))


def random_scene(rng: np.random.Generator, actors: tuple[Actor, ...] = ()) -> Scene:
    """Any street under any light, for training: what views.py has lies within what this draws."""
    height = float(rng.uniform(4.0, 8.5))
    away = float(rng.uniform(10, 15))
    aim = math.degrees(math.atan2(height - 0.6, away + rng.uniform(2.5, 4.5)))
    camera = Camera(
        away_m=away,
        height_m=height,
        yaw_deg=float(rng.uniform(-27, 27)),
        pitch_deg=aim,
        focal_px=float(rng.uniform(440, 600)),
    )
    light = random_light(rng)
    props = [Prop("lamp", float(rng.uniform(-12, 12)), -0.5), Prop("lamp", float(rng.uniform(-12, 12)), ROAD_EDGE_M)]
    kinds = ("tree", "sign", "planter", "tree")
    props += [
        Prop(
            str(rng.choice(kinds)),
            float(rng.uniform(-14, 14)),
            float(rng.choice([-3.0, 7.5, 10.2])),
            float(rng.uniform(0.7, 1.1)),
        )
        for _ in range(int(rng.integers(0, 5)))
    ]
    street = make_street(rng, lit=0.5 if light.lamps_m else 0.0)
    return Scene(camera, street, light, tuple(props), actors, int(rng.integers(1 << 31)))


ROAD_EDGE_M = 7.5


def random_light(rng: np.random.Generator) -> Light:
    """Day, cloud, low sun into the lens, or dusk."""
    kind = rng.choice(["sun", "cloud", "low", "dusk"], p=[0.25, 0.2, 0.25, 0.3])
    warm = float(rng.uniform(0.94, 1.06))
    match kind:
        case "sun":
            sun = (float(rng.uniform(-1.2, 1.2)), float(rng.uniform(-0.6, 0.9)))
            gain = float(rng.uniform(0.9, 1.12))
            return Light(
                (gain * warm, gain, gain / warm), float(rng.uniform(0.35, 0.6)), sun, noise=float(rng.uniform(0.5, 2.5))
            )
        case "cloud":
            gain = float(rng.uniform(0.65, 0.95))
            return Light((gain * 0.97, gain, gain * 1.03), 0.12, (0.1, 0.1), noise=float(rng.uniform(1, 4)))
        case "low":
            gain, edge = float(rng.uniform(0.7, 0.95)), float(rng.uniform(-4, 12))
            glare = (float(rng.uniform(-60, 700)), float(rng.uniform(-90, 30)), float(rng.uniform(0.4, 1.1)))
            sun = (float(rng.uniform(-2.4, 2.4)), float(rng.uniform(-1.5, -0.5)))
            return Light(
                (gain * 1.06, gain * 0.97, gain * 0.84), 0.55, sun, edge, (), glare, float(rng.uniform(1, 3.5))
            )
        case _:
            gain = float(rng.uniform(0.22, 0.45))
            first, step = float(rng.uniform(-16, -8)), float(rng.uniform(8, 13))
            lamps = tuple(first + step * number for number in range(4))
            return Light(
                (gain * 0.85, gain * 0.95, gain * 1.2),
                0.1,
                (0.1, 0.1),
                100.0,
                lamps,
                noise=float(rng.uniform(2.5, 6.5)),
            )


LANES = {
    "car": ((2.1, 1), (5.2, -1)),
    "bicycle": ((0.5, 1), (6.5, -1)),
    "person": ((-2.7, 1), (-2.0, -1), (-1.3, 1), (-0.8, -1), (7.9, 1), (8.5, -1), (9.1, 1), (9.7, -1)),
}
SPEEDS_M = {"car": (4.5, 8.0), "bicycle": (3.0, 4.6), "person": (1.15, 1.9)}


def on_lane(rng: np.random.Generator, kind: str, lane: tuple[float, int]) -> Actor:
    """Somebody who goes along a lane; `start_m` is at x = 0."""
    speed = float(rng.uniform(*SPEEDS_M[kind])) * lane[1]
    across = lane[0] + float(rng.uniform(-0.15, 0.15))
    return dataclasses.replace(random_actor(rng, kind), start_m=(0.0, across), speed_m=(speed, 0.0))


__all__ = ["FINE", "LANES", "Painter", "Prop", "Scene", "on_lane", "random_light", "random_scene"]
