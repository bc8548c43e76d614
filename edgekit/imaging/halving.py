"""Pictures of half the width and height, in memory of their own."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from edgekit.imaging.copying import lay_out, picture_bytes, planes_of
from edgekit.imaging.image import FrameSpec, Image, ImageSpec


def halved_spec(spec: ImageSpec) -> ImageSpec:
    """What `halve` makes of a picture: sizes are even, as those of regions are. Of 4:2:2 only 4:2:0 is left."""
    width_px, height_px = (max(2, size // 4 * 2) for size in (spec.width_px, spec.height_px))
    if isinstance(spec, FrameSpec):
        return replace(spec, width_px=width_px, height_px=height_px, format="I420")
    return replace(spec, width_px=width_px, height_px=height_px)


def halve(image: Image) -> Image:
    """The mean of each four pixels, read-only. Nothing of `image` is held."""
    spec = halved_spec(image.spec)
    made = lay_out(spec, np.empty(picture_bytes(spec), np.uint8))
    for plane, into in zip(planes_of(image), planes_of(made), strict=True):
        cv2.resize(plane, into.shape[1::-1], into, interpolation=cv2.INTER_AREA)
        into.flags.writeable = False
    return made
