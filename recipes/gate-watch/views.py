"""The four cameras of this recipe and what passes before each: drawn by draw.py, the same for the same seed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from actors import Actor, random_actor
from light import Light
from scene import LANES, Prop, Scene, on_lane
from street import Camera, make_street

FPS, FRAMES = 10, 400
QUIET_S = 1.5
"""So long nobody is in sight at a clip's start and end: a server may repeat these parts, and nothing is counted."""
LINE_X_PX = 320.0
LINE_Y_PX = (80.0, 358.0)
_APART_S = {"car": 2.2, "bicycle": 1.6, "person": 1.5}
"""Least time between two that follow each other on one lane."""


@dataclass(frozen=True)
class View:
    """One camera of the recipe."""

    name: str
    camera: Camera
    light: Light
    props: tuple[Prop, ...]
    seed: int
    traffic: dict[str, int]
    """How many of each kind pass."""
    parked: tuple[tuple[float, float], ...] = ()
    """Where cars stand all the time, x and y."""


VIEWS = (
    View(
        name="north",
        camera=Camera(away_m=12.0, height_m=5.6, yaw_deg=4, pitch_deg=20, focal_px=520),
        light=Light((1.02, 1.0, 0.97), 0.5, (0.7, 0.5), noise=1.5),
        props=(Prop("lamp", -5.5, -0.5), Prop("tree", 9.0, 7.6, 0.9), Prop("tree", -11.5, 7.7, 1.0)),
        seed=11,
        traffic={"person": 8, "car": 5, "bicycle": 3},
    ),
    View(
        name="south",
        camera=Camera(away_m=11.5, height_m=6.6, yaw_deg=-21, pitch_deg=23, focal_px=520),
        light=Light((0.82, 0.85, 0.88), 0.12, (0.1, 0.1), noise=2.5),
        props=(Prop("planter", 0.2, -3.0), Prop("sign", -9.5, 7.6), Prop("lamp", -11.0, 7.5)),
        seed=12,
        traffic={"person": 7, "car": 4, "bicycle": 4},
    ),
    View(
        name="east",
        camera=Camera(away_m=13.0, height_m=5.2, yaw_deg=14, pitch_deg=17.5, focal_px=530),
        light=Light((0.27, 0.31, 0.40), 0.1, (0.1, 0.1), lamps_m=(-9.0, 1.0, 11.0), noise=4.0),
        props=(Prop("lamp", 11.0, 7.5), Prop("lamp", -4.0, 7.5), Prop("planter", 8.5, -2.9)),
        seed=13,
        traffic={"person": 7, "car": 5, "bicycle": 3},
    ),
    View(
        name="west",
        camera=Camera(away_m=13.5, height_m=7.4, yaw_deg=-9, pitch_deg=23.5, focal_px=540),
        light=Light((0.92, 0.84, 0.72), 0.55, (-1.4, -0.9), 4.5, (), (560.0, -20.0, 0.8), 2.5),
        props=(Prop("tree", -9.6, 7.6, 1.0), Prop("lamp", 3.6, -0.5), Prop("sign", 4.6, 7.6)),
        seed=14,
        traffic={"person": 8, "car": 4, "bicycle": 3},
        parked=((-9.0, 5.9),),
    ),
)


def scene_of(view: View) -> Scene:
    """Everything that a view's clip shows."""
    rng = np.random.default_rng([20261126, view.seed])
    street = make_street(rng, lit=0.5 if view.light.lamps_m else 0.0)
    actors = [*_parked(view, rng), *_traffic(view, rng)]
    return Scene(view.camera, street, view.light, view.props, tuple(actors), view.seed)


def _parked(view: View, rng: np.random.Generator) -> list[Actor]:
    return [
        dataclasses.replace(random_actor(rng, "car"), start_m=place, speed_m=(0.0, 0.0), body="hatch")
        for place in view.parked
    ]


def _traffic(view: View, rng: np.random.Generator) -> list[Actor]:
    """Who passes: each comes after the quiet start, is gone before the quiet end, and runs into nobody on its lane."""
    made: list[tuple[tuple[float, int], Actor]] = []
    for kind, count in view.traffic.items():
        lanes, found = LANES[kind], 0
        while found < count:
            lane = lanes[int(rng.integers(len(lanes)))]
            actor = on_lane(rng, kind, lane)
            left, right = sight(view.camera, actor.start_m[1], reach_m=2.6 if kind == "car" else 1.2)
            needed = (right - left) / abs(actor.speed_m[0])
            latest = FRAMES / FPS - QUIET_S - needed
            if latest <= QUIET_S:
                continue
            enters_s = float(rng.uniform(QUIET_S, latest))
            start = left if lane[1] > 0 else right
            actor = dataclasses.replace(actor, start_m=(start, actor.start_m[1]), start_s=enters_s)
            if all(_apart(actor, other, (left, right)) for where, other in made if where == lane):
                made.append((lane, actor))
                found += 1
    return [actor for _, actor in made]


def _apart(one: Actor, other: Actor, ends_m: tuple[float, float]) -> bool:
    """Whether two on one lane keep their order and their distance, from one end of it to the other."""
    gaps = []
    for end in ends_m:
        gaps.append(
            (end - one.start_m[0]) / one.speed_m[0]
            + one.start_s
            - (end - other.start_m[0]) / other.speed_m[0]
            - other.start_s
        )
    return min(gaps) * max(gaps) > 0 and min(abs(gap) for gap in gaps) > _APART_S[one.kind]


def sight(camera: Camera, y_m: float, reach_m: float) -> tuple[float, float]:
    """From where to where along the street something `reach_m` long to each side is in sight at least in part."""
    along = np.arange(-60, 60, 0.1)
    points = camera.project(np.stack([along, np.full_like(along, y_m), np.full_like(along, 0.8)], axis=1))
    ahead = points[:, 2] < camera.focal_px / 2
    inside = along[ahead & (points[:, 0] > 0) & (points[:, 0] < 640)]
    return float(inside[0] - reach_m), float(inside[-1] + reach_m)
