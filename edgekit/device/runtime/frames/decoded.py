"""What a decoder hands out, as images that know their colours. Nothing that the stream leaves open is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edgekit.errors import InputError
from edgekit.imaging.image import (
    FrameSpec,
    Image,
    ImageSpec,
    PixelOrder,
    Pixels,
    RgbImage,
    RgbSpec,
    Siting,
    Yuv420Image,
    YuvFormat,
)
from edgekit.schema.source import Matrix, Range

if TYPE_CHECKING:
    from av import VideoCodecContext, VideoFrame
    from av.video.plane import VideoPlane

T = TypeVar("T", bound=str)

UNSPECIFIED = 2
MATRICES: Mapping[int, Matrix] = MappingProxyType({1: "709", 5: "601", 6: "601", 9: "2020"})
"""MatrixCoefficients as FFmpeg passes them on. Source: ITU-T H.273 (2021), table 4."""
RANGES: Mapping[int, Range] = MappingProxyType({1: "limited", 2: "full"})
"""AVColorRange. Source: FFmpeg, libavutil/pixfmt.h."""
YUV_FORMATS: Mapping[str, YuvFormat] = MappingProxyType(
    {
        "yuv420p": "I420",
        "yuvj420p": "I420",
        "nv12": "NV12",
        "nv21": "NV21",
        "yuyv422": "YUYV",
        "yuv422p": "I422",
        "yuvj422p": "I422",
    }
)
"""Pixel formats of Y'CbCr that are taken. Source: FFmpeg, libavutil/pixfmt.h, also for the others."""
PIXEL_FORMATS: Mapping[str, PixelOrder] = MappingProxyType(
    {"gray": "GRAY", "rgb24": "RGB", "bgr24": "BGR", "rgba": "RGBA"}
)
"""And those of pixels."""
FORMATS = (*YUV_FORMATS, *PIXEL_FORMATS)
FULL = frozenset({"yuvj420p", "yuvj422p", "rgb24", "bgr24", "rgba"})
"""Formats that fix their range themselves."""
SITINGS: Mapping[str, Siting] = MappingProxyType({"h264": "left", "hevc": "left", "mpeg4": "left", "mjpeg": "centre"})
"""Where chroma lies unless a stream says otherwise, which PyAV does not pass on.
Source: ITU-T H.264 (2021), E.2.1; H.265 (2021), E.3.1; JFIF 1.02, page 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a stream says of its pictures, in FFmpeg's numbers and names."""

    pixel_format: str
    """Empty where no picture could be decoded."""
    width_px: int
    height_px: int
    matrix: int
    range: int
    codec: str


def stated_by_stream(stream: VideoCodecContext) -> Stated:
    """What is known before the first picture."""
    return Stated(
        pixel_format=stream.pix_fmt or "",
        width_px=stream.width,
        height_px=stream.height,
        matrix=stream.colorspace,
        range=stream.color_range,
        codec=stream.name,
    )


def stated_by_frame(frame: VideoFrame, codec: str) -> Stated:
    """What a picture says itself."""
    return Stated(
        pixel_format=frame.format.name,
        width_px=frame.width,
        height_px=frame.height,
        matrix=frame.colorspace,
        range=frame.color_range,
        codec=codec,
    )


def spec_of(stated: Stated, matrix: Matrix | None, range_: Range | None, name: str) -> ImageSpec:
    """What a stream's frames are, by its metadata and, where that is silent, by the recipe's declaration.

    Grey and coloured pixels have no matrix: none is asked for.

    Raises:
        InputError: pixel format not known here; colours stated nowhere; stream and recipe contradict each other.
    """
    if not stated.pixel_format:
        raise InputError(f"source {name}: no picture of it can be decoded", hint="give another clip")
    pixel_format = stated.pixel_format
    if pixel_format not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(
            f"source {name}: its pixel format is {pixel_format}, known are {known}",
            hint="encode it again: ffmpeg -i CLIP -pix_fmt yuv420p ...",
            cause="colour_mismatch",
        )
    if pixel_format in YUV_FORMATS and stated.matrix != UNSPECIFIED and stated.matrix not in MATRICES:
        raise InputError(
            f"source {name}: its matrix has the number {stated.matrix} of H.273, known are {sorted(MATRICES)}",
            hint="encode it as BT.709: ffmpeg -i CLIP -vf scale=out_color_matrix=bt709 -colorspace bt709 ...",
            cause="colour_mismatch",
        )
    stated_range: Range | None = "full" if pixel_format in FULL else RANGES.get(stated.range)
    agreed: Range = agree(stated_range, range_, name, "range")
    if pixel_format in PIXEL_FORMATS:
        order = PIXEL_FORMATS[pixel_format]
        return RgbSpec(width_px=stated.width_px, height_px=stated.height_px, order=order, range=agreed)
    return FrameSpec(
        width_px=stated.width_px,
        height_px=stated.height_px,
        matrix=agree(MATRICES.get(stated.matrix), matrix, name, "matrix"),
        range=agreed,
        siting=SITINGS.get(stated.codec, "unknown"),
        format=YUV_FORMATS[pixel_format],
    )


def agree(stated: T | None, declared: T | None, name: str, what: str) -> T:
    """What a stream states or the recipe declares of its colours.

    Raises:
        InputError: neither does, or they contradict each other.
    """
    if stated is not None and declared is not None and stated != declared:
        raise InputError(
            f"source {name}: the stream says {what} {stated}, the recipe says {declared}",
            hint=f"take {what} out of the recipe's source, or correct the clip",
            cause="colour_mismatch",
        )
    agreed = stated or declared
    if agreed is None:
        raise InputError(
            f"source {name}: neither the stream nor the recipe says its {what}",
            hint=f'write it in the recipe: pipeline.sources.{name}.{what} = "..."',
            cause="colour_mismatch",
        )
    return agreed


def image_of(frame: VideoFrame, spec: ImageSpec) -> Image:
    """A decoded frame as an image, without copying its pixels.

    Raises:
        ValueError: the frame is not what `spec` says: the stream changed on its way.
    """
    kind, format_ = frame.format.name, spec.format if isinstance(spec, FrameSpec) else spec.order
    if (frame.width, frame.height, _format_of(kind)) != (spec.width_px, spec.height_px, format_):
        raise ValueError(
            f"the stream changed to {frame.width}x{frame.height} {kind}, "
            f"it began as {spec.width_px}x{spec.height_px} {format_}"
        )
    range_ = "full" if kind in FULL else RANGES.get(frame.color_range, spec.range)
    if isinstance(spec, RgbSpec):
        if range_ != spec.range:
            raise ValueError(f"the stream changed to range {range_}; it began as {spec.range}")
        return RgbImage(pixels=_pixels(frame), order=spec.order, range=spec.range)
    matrix = MATRICES.get(frame.colorspace, spec.matrix)
    if (matrix, range_) != (spec.matrix, spec.range):
        raise ValueError(
            f"the stream changed to matrix {matrix}, range {range_}; it began as {spec.matrix}, {spec.range}"
        )
    y, u, v = _planes(frame, spec.format)
    return Yuv420Image(y=y, u=u, v=v, spec=spec)


def _format_of(pixel_format: str) -> YuvFormat | PixelOrder | None:
    return YUV_FORMATS.get(pixel_format) or PIXEL_FORMATS.get(pixel_format)


def _pixels(frame: VideoFrame) -> Pixels:
    """Interleaved pixels, or grey ones, as a view."""
    rows, channels = _rows(frame.planes[0]), len(frame.format.components)
    cut = rows[:, : frame.width * channels]
    return (
        cut
        if channels == 1
        else np.lib.stride_tricks.as_strided(
            cut, (frame.height, frame.width, channels), (cut.strides[0], channels, 1), writeable=False
        )
    )


def _planes(frame: VideoFrame, format_: YuvFormat) -> tuple[Pixels, Pixels, Pixels]:
    """Luma and both chromas at 4:2:0, as views: of chroma in every row every other row."""
    width = frame.width
    match format_:
        case "YUYV":
            rows = _rows(frame.planes[0])[:, : 2 * (width + width % 2)]
            return rows[:, 0 : 2 * width : 2], rows[0::2, 1::4], rows[0::2, 3::4]
        case "NV12" | "NV21":
            pairs = _rows(frame.planes[1])[:, : width + width % 2]
            first, second = pairs[:, 0::2], pairs[:, 1::2]
            return _rows(frame.planes[0])[:, :width], *((first, second) if format_ == "NV12" else (second, first))
        case "I420" | "I422":
            y, u, v = (_rows(plane)[:, : plane.width] for plane in frame.planes)
            return (y, u[0::2], v[0::2]) if format_ == "I422" else (y, u, v)


def _rows(plane: VideoPlane) -> Pixels:
    """A plane with its rows' padding. Source: FFmpeg, AVFrame.linesize."""
    rows: Pixels = np.frombuffer(plane, np.uint8, plane.height * plane.line_size)  # type: ignore[call-overload, unused-ignore]
    rows.flags.writeable = False
    return rows.reshape(plane.height, plane.line_size)
