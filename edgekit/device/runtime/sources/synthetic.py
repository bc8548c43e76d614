"""`synthetic`: drawn scenes whose truth is known: bright boxes that cross a noisy ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.device.runtime.frames.pool import PicturePool
from edgekit.device.runtime.sources.numbered import NumberedSource, Picture
from edgekit.device.runtime.sources.pace import Pace
from edgekit.imaging.copying import planes_of
from edgekit.imaging.image import FrameSpec, Pixels, Yuv420Image
from edgekit.schema.detection import Detection
from edgekit.schema.source import SyntheticSource
from edgekit.stage import StreamInfo

LABEL = "box"
_GROUND, _DIMMEST, _BRIGHTEST = 80, 150, 230
"""Levels of luma, of 16 to 235."""
_GREY = 128
_SHIFT_PX = 64
"""Noise is drawn once, and each frame sees another part of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mover:
    """One place for boxes that cross the picture, one after the other."""

    start_px: int
    top_px: int
    width_px: int
    height_px: int
    speed_px: int
    """Each frame, to the right."""
    level: int


class Scene:
    """Draws frames by their number: the same options, the same pixels."""

    def __init__(self, source: SyntheticSource) -> None:
        self.count = source.frames
        self.spec = FrameSpec(
            width_px=source.width_px, height_px=source.height_px, matrix="709", range="limited", siting="left"
        )
        random = np.random.default_rng(source.seed)
        shape = (source.height_px + _SHIFT_PX, source.width_px + _SHIFT_PX)
        ground = random.integers(_GROUND - source.noise, _GROUND + source.noise, shape, np.uint8, endpoint=True)
        self._ground: Pixels = ground
        self._pool = PicturePool()
        self._movers = [self._mover(random) for _ in range(source.objects)]

    def picture(self, number: int) -> Picture:
        """See `PictureMaker.picture`."""
        down, right = number * 7 % _SHIFT_PX, number * 13 % _SHIFT_PX
        image = self._pool.picture(self.spec, "the scene")
        assert isinstance(image, Yuv420Image)
        y = image.y
        np.copyto(y, self._ground[down : down + self.spec.height_px, right : right + self.spec.width_px])
        image.u.fill(_GREY)
        image.v.fill(_GREY)
        truth = tuple(
            found
            for place, mover in enumerate(self._movers)
            if (found := self._draw(y, mover, number, place)) is not None
        )
        for plane in planes_of(image):
            plane.flags.writeable = False
        return Picture(image=image, truth=truth)

    def _draw(self, y: Pixels, mover: _Mover, number: int, place: int) -> Detection | None:
        """Draw a place's box of this frame; None while none of it is in the picture."""
        way_px = self.spec.width_px + mover.width_px
        crossed, at_px = divmod(mover.start_px + mover.speed_px * number, way_px)
        left, right = max(0, at_px - mover.width_px), min(self.spec.width_px, at_px)
        if left >= right:
            return None
        y[mover.top_px : mover.top_px + mover.height_px, left:right] = mover.level
        return Detection(
            label=LABEL,
            x_px=(left + right) / 2,
            y_px=mover.top_px + mover.height_px / 2,
            width_px=float(right - left),
            height_px=float(mover.height_px),
            score=1.0,
            track=1 + place + crossed * len(self._movers),
        )

    def _mover(self, random: np.random.Generator) -> _Mover:
        width, height = self.spec.width_px, self.spec.height_px
        box_height = int(random.integers(max(2, height // 12), max(3, height // 4)))
        return _Mover(
            start_px=int(random.integers(width)),
            top_px=int(random.integers(height - box_height)),
            width_px=int(random.integers(max(2, width // 12), max(3, width // 5))),
            height_px=box_height,
            speed_px=int(random.integers(1, max(2, width // 60) + 1)),
            level=int(random.integers(_DIMMEST, _BRIGHTEST)),
        )


def draw_scenes(name: str, source: SyntheticSource, pace: Pace | None = None) -> NumberedSource:
    """The source of drawn scenes. At a camera's pace it waits for nobody, as one."""
    scene = Scene(source)
    info = StreamInfo(name=name, spec=scene.spec, fps=source.fps)
    live = source.pace == "camera"
    return NumberedSource(info, scene, loops=1, pace=pace or Pace(source.pace), live=live)
