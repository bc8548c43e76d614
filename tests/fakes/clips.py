"""Small clips, made here: frames at the times that a test wants, and packets that are damaged."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from edgekit.schema.source import FileSource

WIDTH, HEIGHT = 64, 48


def write_clip(file: Path, times_ms: Sequence[int]) -> Path:
    """Grey pictures, each its own packet (Motion JPEG), at these times."""
    with av.open(str(file), "w", format="matroska") as clip:
        stream = clip.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, at_ms in enumerate(times_ms):
            pixels = np.full((HEIGHT, WIDTH, 3), number % 256, np.uint8)
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuvj420p")
            picture.pts, picture.time_base = at_ms, Fraction(1, 1000)
            clip.mux(stream.encode(picture))
        clip.mux(stream.encode(None))
    return file


def write_head(file: Path, width_px: int, height_px: int) -> Path:
    """A clip that says how large its frames are, and holds a piece of one."""
    with av.open(str(file), "w", format="matroska") as clip:
        stream = clip.add_stream("rawvideo", rate=5)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        packet = av.Packet(bytes(64))
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 5)
        clip.mux(packet)
    return file


def damage(file: Path, packets: Sequence[int]) -> None:
    """Put zeros in place of these packets of a clip."""
    data, start = file.read_bytes(), 0
    for number, whole in enumerate(_packets(file)):
        start = data.index(whole, start)
        if number in packets:
            data = data[:start] + bytes(len(whole)) + data[start + len(whole) :]
        start += len(whole)
    file.write_bytes(data)


def _packets(file: Path) -> list[bytes]:
    with av.open(str(file)) as clip:
        return [bytes(packet) for packet in clip.demux(video=0) if packet.size]


def clip_source(file: Path, **more: object) -> FileSource:
    """How it is played; its matrix is declared."""
    given: dict[str, object] = {"pace": "camera", "loops": 1, "matrix": "601", **more}
    return FileSource(kind="file", path=file.name, lane="camera", **given)  # type: ignore[arg-type]


def write_pictures(file: Path, pictures: Sequence[np.ndarray], fps: int = 10) -> Path:
    """H.264 of pictures uint8[height, width, 3] RGB of one size, BT.709, limited range, no B-frames, a key a second.

    The container follows the name: `.h264` is the bare stream.
    """
    with av.open(str(file), "w") as clip:
        options = {"preset": "veryfast", "tune": "zerolatency", "g": str(fps), "crf": "15"}
        stream = clip.add_stream("libx264", rate=fps, options=options)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = pictures[0].shape[:2]
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        for number, pixels in enumerate(pictures):
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p", dst_colorspace="itu709")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            clip.mux(stream.encode(picture))
        clip.mux(stream.encode(None))
    return file


def write_scene(file: Path, width_px: int, height_px: int, frames: int, fps: int = 25) -> Path:
    """H.264 as cameras send it, some Mbit/s at 1080p: a noisy picture that moves, BT.709, no B-frames, a key a second.

    The container follows the name: `.h264` is the bare stream.
    """
    random = np.random.default_rng(0)
    ground = (
        random.integers(40, 200, (-(-height_px // 40), width_px // 40 + frames), np.uint8).repeat(40, 0).repeat(40, 1)
    )
    noise = random.integers(0, 6, (height_px, width_px * 2), np.uint8)
    with av.open(str(file), "w") as clip:
        options = {"preset": "veryfast", "tune": "zerolatency", "g": str(fps)}
        stream = clip.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width_px, height_px, "yuv420p", 4_000_000
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        for number in range(frames):
            start = int(random.integers(0, width_px))
            luma = ground[:height_px, 4 * number : 4 * number + width_px] + noise[:, start : start + width_px]
            planes = np.full((height_px * 3 // 2, width_px), 128, np.uint8)
            planes[:height_px] = luma
            picture = av.VideoFrame.from_ndarray(planes, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            clip.mux(stream.encode(picture))
        clip.mux(stream.encode(None))
    return file
