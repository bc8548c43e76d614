"""Clips that stand in for cameras: made of pictures, a board's stages find in them what they find in cameras."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from edgekit.errors import InputError
from edgekit.host.forecast.constants import STREAM_BITS_A_PIXEL
from edgekit.host.forecast.memory import Cameras
from edgekit.host.forecast.references import count_references
from edgekit.imaging.picture_file import read_picture_file
from edgekit.schema.profile import MAX_CLIP_BYTES, MAX_SIDE_PX

_MAX_FPS = 120
"""Of cameras that are planned: a clip's header may say anything."""
_SECONDS_EACH = 1.0
_MARGIN = 1.04
"""Pictures are made a little larger, and a window wanders over them: a still picture costs a decoder nothing."""
_NOISE = 5
"""Levels of a sensor's noise, for the same reason."""
_LEAST_BITS = 10_000
"""A second: x264 counts in thousands."""
_BT709, _LIMITED = 1, 1
"""Source: ITU-T H.273 (2021), table 4; FFmpeg, AVColorRange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeClip:
    """A clip, and what it is in words."""

    about: str
    content: bytes
    width_px: int
    height_px: int
    references: int = 0
    """Pictures that its decoder has to keep; 0: not known."""
    fps: float = 0.0
    """As its header says; 0: it does not."""


def make_clip(pictures: Sequence[Path], size: tuple[int, int] | None, fps: float) -> MadeClip:
    """An H.264 clip of pictures that wander and have noise.

    Args:
        pictures: files; none: blocks that move.
        size: width and height in pixels, made even; None: the first picture's own.
        fps: pictures a second.

    Raises:
        InputError: a file is no picture.
    """
    shown = [read_picture_file(file).pixels for file in pictures] or [_blocks()]
    width_px, height_px = size or (shown[0].shape[1], shown[0].shape[0])
    width_px, height_px = width_px // 2 * 2, height_px // 2 * 2
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as clip:
        stream = clip.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1000), options={"preset": "veryfast", "tune": "zerolatency"}
        )
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        stream.bit_rate = max(_LEAST_BITS, int(STREAM_BITS_A_PIXEL * width_px * height_px * fps))
        stream.gop_size = max(1, round(2 * fps))
        stream.codec_context.colorspace, stream.codec_context.color_range = _BT709, _LIMITED
        for pixels in _moving(shown, width_px, height_px, max(2, round(fps * _SECONDS_EACH))):
            picture = av.VideoFrame.from_ndarray(pixels, "bgr24")
            clip.mux(stream.encode(picture.reformat(format="yuv420p", dst_colorspace="itu709")))
        clip.mux(stream.encode(None))
    of = f"{len(pictures)} golden frames that wander" if pictures else "blocks that move"
    about = f"{width_px}x{height_px} at {fps:g} fps, H.264, {stream.bit_rate / 1e6:.1f} Mbit/s, of {of}"
    return MadeClip(about=about, content=made.getvalue(), width_px=width_px, height_px=height_px, references=1)


def read_clip(file: Path) -> MadeClip:
    """A camera's own recording.

    Raises:
        InputError: it cannot be read, is too large, or is no video.
    """
    try:
        if file.stat().st_size > MAX_CLIP_BYTES:
            raise InputError(
                f"{file} is larger than {MAX_CLIP_BYTES >> 20} MiB", hint=f"ffmpeg -i {file} -t 10 -c copy short.mp4"
            )
        content = file.read_bytes()
        with av.open(io.BytesIO(content)) as clip:
            codec = clip.streams.video[0].codec_context
            width_px, height_px, name = codec.width, codec.height, codec.name
            references, rate = count_references(clip.streams.video[0]), clip.streams.video[0].average_rate
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", hint=f"ls -l {file}") from None
    except (FFmpegError, IndexError):
        raise InputError(f"{file} is no video that can be played", hint="give a recording of the camera") from None
    return MadeClip(
        about=f"{file.name}, {width_px}x{height_px} {name}",
        content=content,
        width_px=width_px,
        height_px=height_px,
        references=references,
        fps=round(float(rate or 0), 3),
    )


def read_cameras(file: Path, count: int, usual_fps: float) -> Cameras:
    """What a recording tells of cameras like the one that it is of.

    Args:
        file: the recording.
        count: how many such cameras there are.
        usual_fps: where it does not say how many pictures a second there are.

    Raises:
        InputError: as `read_clip`, or it does not say how large its pictures are.
    """
    clip = read_clip(file)
    if not (0 < clip.width_px <= MAX_SIDE_PX and 0 < clip.height_px <= MAX_SIDE_PX):
        raise InputError(f"{file} does not say how large its pictures are", hint="give a recording of the camera")
    fps = clip.fps if 0 < clip.fps <= _MAX_FPS else usual_fps
    size = {"width_px": clip.width_px, "height_px": clip.height_px}
    return Cameras(count=count, **size, fps=fps, references=clip.references)


def _moving(
    shown: Sequence[npt.NDArray[np.uint8]], width_px: int, height_px: int, each: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """One picture after the other: those of a second at 4K take gigabytes."""
    random = np.random.default_rng(0)
    noise = random.integers(0, _NOISE + 1, (height_px, width_px, 1), np.uint8)
    for pixels in shown:
        large = cv2.resize(pixels, (round(width_px * _MARGIN) + 2, round(height_px * _MARGIN) + 2))
        for number in range(each):
            left = number * (large.shape[1] - width_px) // each
            top = number * (large.shape[0] - height_px) // each
            window = large[top : top + height_px, left : left + width_px]
            noisy = cv2.add(window, np.roll(noise, 37 * number, axis=1).repeat(3, axis=2))
            yield np.asarray(noisy, np.uint8)


def _blocks() -> npt.NDArray[np.uint8]:
    random = np.random.default_rng(0)
    return random.integers(30, 220, (27, 48, 3), np.uint8).repeat(40, 0).repeat(40, 1)
