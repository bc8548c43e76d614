"""Video whose every picture carries its number, drawn so that it outlives encoding."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from edgekit.imaging.image import Yuv420Image

BITS, CELL = 12, 16
WIDTH, HEIGHT = BITS * CELL, 64
_ENCODERS = {"h264": "libx264", "hevc": "libx265", "mjpeg": "mjpeg", "mpeg4": "mpeg4", "vp9": "libvpx-vp9"}
_OPTIONS = {
    "h264": {"preset": "ultrafast"},
    "hevc": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
}


def draw_number(number: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8[HEIGHT, WIDTH], luma: a white cell for each bit that is set, the lowest first; noise below."""
    luma = np.random.default_rng(number).integers(60, 180, (HEIGHT, WIDTH), np.uint8)
    for bit in range(BITS):
        luma[: HEIGHT // 2, bit * CELL : (bit + 1) * CELL] = 235 if number >> bit & 1 else 16
    return luma


def read_number(luma: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
    """The number in a picture."""
    cells = luma[: HEIGHT // 2, : BITS * CELL].reshape(HEIGHT // 2, BITS, CELL).mean(axis=(0, 2))
    return sum(1 << bit for bit, level in enumerate(cells) if level > 128)


def number_in(image: object) -> int:
    """The number in a frame's image."""
    assert isinstance(image, Yuv420Image)
    return read_number(np.asarray(image.y))


def write_numbered(file: Path, codec: str, count: int, *, fps: int = 25, group: int = 10, reorder: int = 0) -> Path:
    """A clip of pictures 0, 1, ...

    Args:
        file: its suffix says the container.
        codec: as FFmpeg calls it.
        count: how many pictures.
        fps: how many a second.
        group: a key picture each so many.
        reorder: B pictures between two others.
    """
    with av.open(str(file), "w") as clip:
        stream: Any = clip.add_stream(_ENCODERS[codec], rate=fps)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.options = {"g": str(group), "bf": str(reorder), **_OPTIONS.get(codec, {})}
        stream.codec_context.bit_rate = 4_000_000
        stream.codec_context.colorspace, stream.codec_context.color_range = (5, 2) if codec == "mjpeg" else (1, 1)
        for number in range(count):
            picture = av.VideoFrame(WIDTH, HEIGHT, stream.pix_fmt)
            picture.pts, picture.time_base = number, Fraction(1, fps)
            luma = draw_number(number)
            for plane, pixels in zip(
                picture.planes, (luma, *[np.full((HEIGHT // 2, WIDTH // 2), 128)] * 2), strict=True
            ):
                rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                rows[:, : plane.width] = pixels
            clip.mux(stream.encode(picture))
        clip.mux(stream.encode(None))
    return file


def numbers_in(clip: Path | bytes) -> list[int]:
    """Of every picture of a clip, decoded from its beginning to its end."""
    with av.open(str(clip) if isinstance(clip, Path) else io.BytesIO(clip)) as opened:
        return [read_number(picture.to_ndarray(format="gray")) for picture in opened.decode(video=0)]
