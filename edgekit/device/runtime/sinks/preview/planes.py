"""A stream's picture at the preview's size, in buffers that are filled again and again."""

from __future__ import annotations

import cv2
import numpy as np

from edgekit.imaging.image import Image, Pixels, RgbImage, Yuv420Image
from edgekit.imaging.matrices import yuv_to_rgb


class SmallPlanes:
    """Scales into its own planes, as they are, and makes them BGR later: whoever scales has other work to do."""

    def __init__(self, width_px: int) -> None:
        """Take the width that pictures have at most."""
        self._most_px = width_px
        self._buffers: dict[tuple[str, int, int, int], Pixels] = {}
        self._planes: tuple[Pixels, ...] = ()
        self._matrix = np.eye(3, 4)
        self._order = "BGR"

    def fill(self, image: Image) -> None:
        """Keep this picture instead of the one before. Nothing of `image` is held afterwards."""
        width, height = small_size(image.width_px, image.height_px, self._most_px)
        match image:
            case Yuv420Image(y=y, u=u, v=v):
                half = ((width + 1) // 2, (height + 1) // 2)
                self._order = "YUV"
                self._matrix = np.array(yuv_to_rgb(image.spec.matrix, image.spec.range)[::-1])
                self._planes = (
                    self._scaled("y", y, (width, height)),
                    self._scaled("u", u, half),
                    self._scaled("v", v, half),
                )
            case RgbImage(pixels=pixels, order=order):
                self._order = order
                self._planes = (self._scaled("rgb", pixels, (width, height)),)

    def bgr(self) -> Pixels | None:
        """What was kept, as uint8[height, width, 3], BGR, full range: a new array; None where nothing was."""
        if not self._planes:
            return None
        first = self._planes[0]
        if self._order == "BGR":
            return first.copy()
        if self._order == "RGB":
            return np.asarray(cv2.cvtColor(first, cv2.COLOR_RGB2BGR), np.uint8)
        size = (first.shape[1], first.shape[0])
        chroma = [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in self._planes[1:]]
        return np.asarray(cv2.transform(cv2.merge([first, *chroma]), self._matrix), np.uint8)

    def clear(self) -> None:
        """Give the memory back."""
        self._buffers, self._planes = {}, ()

    def _scaled(self, name: str, plane: Pixels, size: tuple[int, int]) -> Pixels:
        """Halve as often as it goes, which averages and is fast, then interpolate: INTER_AREA takes five times as long
        at other ratios. The result is a kept buffer, also at the plane's own size: a decoder wants its plane back."""
        step = 0
        while plane.shape[1] >= 2 * size[0] and plane.shape[0] >= 2 * size[1]:
            half = self._buffer(f"{name}{step}", plane, (plane.shape[1] // 2, plane.shape[0] // 2))
            cv2.resize(plane, half.shape[1::-1], half, interpolation=cv2.INTER_AREA)
            plane, step = half, step + 1
        if step and plane.shape[1::-1] == size:
            return plane
        result = self._buffer(name, plane, size)
        if plane.shape[1::-1] == size:
            np.copyto(result, plane)
        else:
            cv2.resize(plane, size, result, interpolation=cv2.INTER_LINEAR)
        return result

    def _buffer(self, name: str, like: Pixels, size: tuple[int, int]) -> Pixels:
        channels = like.shape[2] if like.ndim == 3 else 1
        key = (name, *size, channels)
        if key not in self._buffers:
            stale = [known for known in self._buffers if known[0] == name]
            for known in stale:  # the stream has another size now
                del self._buffers[known]
            self._buffers[key] = np.empty((size[1], size[0], *like.shape[2:]), np.uint8)
        return self._buffers[key]


def small_size(width_px: int, height_px: int, most_px: int) -> tuple[int, int]:
    """A picture's size where it is no wider than `most_px`, and no higher than twice that: width and height."""
    scale = min(1.0, most_px / width_px, 2 * most_px / height_px)
    return max(1, round(width_px * scale)), max(1, round(height_px * scale))
