"""Pictures to learn from: any street, any light, anybody anywhere, as the worker would show them to the model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
from actors import CLASSES, Actor
from light import to_yuv
from network import INPUT_PX
from scene import LANES, Painter, Scene, on_lane, random_light, random_scene
from street import HEIGHT_PX, WIDTH_PX, look

from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import FrameSpec, Yuv420Image
from edgekit.schema.recipe import ColourContract

CONTRACT = ColourContract(width_px=INPUT_PX[0], height_px=INPUT_PX[1], order="RGB", scale=1 / 255, fit="letterbox")
FRAME = FrameSpec(width_px=WIDTH_PX, height_px=HEIGHT_PX, matrix="709", range="limited")
MOST = 24
"""Figures of one picture."""
_CLEAR, _HIDDEN = 0.35, 0.1
"""Who is seen less than the first is not asked for; less than the second, is not there."""


@dataclass(frozen=True)
class Batch:
    """Some pictures of one street."""

    images: np.ndarray
    """uint8[n, height, width, 3], RGB, at the model's size."""
    boxes: np.ndarray
    """float32[n, MOST, 4]: left, top, right, bottom in pixels of the model's input."""
    classes: np.ndarray
    """int64[n, MOST]: -1 nobody, -2 somebody who is hardly seen."""


def street_pictures(seed: int, count: int) -> Batch:
    """One street from one mast, `count` times with other people and other light."""
    cv2.setNumThreads(1)  # every CPU has a street of its own
    rng = np.random.default_rng([7, seed])
    converter = Converter(plan_conversion(FRAME, CONTRACT))
    base = random_scene(rng)
    back = look(base.street, base.camera)
    images, boxes = np.zeros((count, INPUT_PX[1], INPUT_PX[0], 3), np.uint8), np.zeros((count, MOST, 4), np.float32)
    classes = np.full((count, MOST), -1, np.int64)
    for number in range(count):
        light = base.light if number % 3 else random_light(rng)
        scene = dataclasses.replace(base, light=light, actors=_crowd(rng, base), seed=int(rng.integers(1 << 31)))
        rgb, seen = Painter(scene, back).draw(0.0)
        y, u, v = to_yuv(_compressed(rng, rgb))
        images[number] = converter.rgb(Yuv420Image(y=y, u=u, v=v, spec=FRAME))
        fit = converter.plan.fit
        clear = sorted((one for one in seen if one.visible >= _HIDDEN), key=lambda one: -one.visible)[:MOST]
        for row, one in enumerate(clear):
            scale = fit.width_px / WIDTH_PX
            left, top, right, bottom = (edge * scale for edge in one.box)
            box = np.array([max(left, 0), max(top, 0), min(right, fit.width_px), min(bottom, fit.height_px)])
            boxes[number, row] = box + np.array([fit.left_px, fit.top_px] * 2)
            classes[number, row] = CLASSES.index(one.kind) if one.visible >= _CLEAR else -2
    return Batch(images, boxes, classes)


def _crowd(rng: np.random.Generator, scene: Scene) -> tuple[Actor, ...]:
    made: list[Actor] = []
    for kind, most in (("car", 5), ("bicycle", 4), ("person", 9)):
        for _ in range(int(rng.integers(0, most + 1))):
            lanes = LANES[kind]
            actor = on_lane(rng, kind, lanes[int(rng.integers(len(lanes)))])
            across = actor.start_m[1] + float(rng.normal(0, 0.35))
            if kind == "person" and rng.uniform() < 0.15:
                across = float(rng.uniform(0.3, 6.7))
            along = float(rng.uniform(-1, 1)) * 13 + scene.camera.x_m
            facing = 1.0 if rng.uniform() < 0.5 else -1.0
            actor = dataclasses.replace(actor, start_m=(along, across), speed_m=(facing * abs(actor.speed_m[0]), 0.0))
            if kind != "car" or all(_clear_of(actor, other) for other in made):
                made.append(actor)
    return tuple(made)


def _clear_of(one: Actor, other: Actor) -> bool:
    return abs(one.start_m[0] - other.start_m[0]) > 4.9 or abs(one.start_m[1] - other.start_m[1]) > 1.9


def _compressed(rng: np.random.Generator, rgb: np.ndarray) -> np.ndarray:
    """With what a video's compression leaves of it."""
    picture = rgb.astype(np.uint8)
    if rng.uniform() < 0.25:
        return picture.astype(np.float32)
    _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])
    return cv2.imdecode(packed, cv2.IMREAD_COLOR).astype(np.float32)
