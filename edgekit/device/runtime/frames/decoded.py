"""What a decoder hands out, as images that know their colours. Nothing that the stream leaves open is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edgekit.errors import InputError
from edgekit.imaging.image import FrameSpec, Pixels, Siting, Yuv420Image
from edgekit.schema.recipe import Matrix, Range

if TYPE_CHECKING:
    from av import VideoCodecContext, VideoFrame
    from av.video.plane import VideoPlane

T = TypeVar("T", bound=str)

UNSPECIFIED = 2
MATRICES: Mapping[int, Matrix] = MappingProxyType({1: "709", 5: "601", 6: "601", 9: "2020"})
"""MatrixCoefficients as FFmpeg passes them on. Source: ITU-T H.273 (2021), table 4."""
RANGES: Mapping[int, Range] = MappingProxyType({1: "limited", 2: "full"})
"""AVColorRange. Source: FFmpeg, libavutil/pixfmt.h."""
FORMATS: Mapping[str, Range | None] = MappingProxyType({"yuv420p": None, "yuvj420p": "full"})
"""Pixel formats that are taken, and the range that the format itself fixes. Source: FFmpeg, libavutil/pixfmt.h."""
SITINGS: Mapping[str, Siting] = MappingProxyType({"h264": "left", "hevc": "left", "mpeg4": "left", "mjpeg": "centre"})
"""Where chroma lies unless a stream says otherwise, which PyAV does not pass on.
Source: ITU-T H.264 (2021), E.2.1; H.265 (2021), E.3.1; JFIF 1.02, page 4."""


def spec_of(stream: VideoCodecContext, matrix: Matrix | None, range_: Range | None, name: str) -> FrameSpec:
    """What a stream's frames are, by its metadata and, where that is silent, by the recipe's declaration.

    Raises:
        InputError: pixel format not known here; colours stated nowhere; stream and recipe contradict each other.
    """
    if stream.pix_fmt is None:
        raise InputError(f"source {name}: no picture of it can be decoded", hint="give another clip")
    pixel_format = str(stream.pix_fmt)
    if pixel_format not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(
            f"source {name}: its pixel format is {pixel_format}, known are {known}",
            hint="encode it again: ffmpeg -i CLIP -pix_fmt yuv420p ...",
        )
    if stream.colorspace != UNSPECIFIED and stream.colorspace not in MATRICES:
        raise InputError(
            f"source {name}: its matrix has the number {stream.colorspace} of H.273, known are {sorted(MATRICES)}",
            hint="encode it as BT.709: ffmpeg -i CLIP -vf scale=out_color_matrix=bt709 -colorspace bt709 ...",
        )
    stated_range = FORMATS[pixel_format] or RANGES.get(stream.color_range)
    return FrameSpec(
        width_px=stream.width,
        height_px=stream.height,
        matrix=_agree(MATRICES.get(stream.colorspace), matrix, name, "matrix"),
        range=_agree(stated_range, range_, name, "range"),
        siting=SITINGS.get(stream.name, "unknown"),
    )


def _agree(stated: T | None, declared: T | None, name: str, what: str) -> T:
    if stated is not None and declared is not None and stated != declared:
        raise InputError(
            f"source {name}: the stream says {what} {stated}, the recipe says {declared}",
            hint=f"take {what} out of the recipe's source, or correct the clip",
        )
    agreed = stated or declared
    if agreed is None:
        raise InputError(
            f"source {name}: neither the stream nor the recipe says its {what}",
            hint=f'write it in the recipe: sources.{name}.{what} = "..."',
        )
    return agreed


def image_of(frame: VideoFrame, spec: FrameSpec) -> Yuv420Image:
    """A decoded frame as an image, without copying its pixels.

    Raises:
        ValueError: the frame is not what `spec` says: the stream changed on its way.
    """
    if (frame.width, frame.height) != (spec.width_px, spec.height_px) or frame.format.name not in FORMATS:
        raise ValueError(
            f"the stream changed to {frame.width}x{frame.height} {frame.format.name}, "
            f"it began as {spec.width_px}x{spec.height_px}"
        )
    matrix, range_ = MATRICES.get(frame.colorspace, spec.matrix), RANGES.get(frame.color_range, spec.range)
    if (matrix, range_) != (spec.matrix, spec.range):
        raise ValueError(
            f"the stream changed to matrix {matrix}, range {range_}; it began as {spec.matrix}, {spec.range}"
        )
    y, u, v = (_view(plane) for plane in frame.planes)
    return Yuv420Image(y=y, u=u, v=v, spec=spec)


def _view(plane: VideoPlane) -> Pixels:
    """A plane without its rows' padding. Source: FFmpeg, AVFrame.linesize."""
    rows: Pixels = np.frombuffer(plane, np.uint8, plane.height * plane.line_size)  # type: ignore[call-overload, unused-ignore]
    rows.flags.writeable = False
    return rows.reshape(plane.height, plane.line_size)[:, : plane.width]
