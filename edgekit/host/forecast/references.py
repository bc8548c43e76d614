"""How many pictures a decoder has to keep of a stream beside the one that it is at, as the stream's own header says."""

from __future__ import annotations

import contextlib
import re

import av.logging
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from av.video.stream import VideoStream

_READER = "trace_headers"
"""FFmpeg's filter that reads headers and writes each of their values into its log; PyAV has them in no other way."""
_VALUE = re.compile(
    r"\b(max_num_ref_frames|max_dec_frame_buffering|sps_max_dec_pic_buffering_minus1\[[0-6]\])\s+[01]+ = ([0-9]{1,2})\n"
)
"""Source: ITU-T H.264 (2021), 7.3.2.1.1 and E.1.1; ITU-T H.265 (2021), 7.3.2.2.1."""
_MAX_HEADER_BYTES = 64 << 10


def count_references(stream: VideoStream) -> int:
    """Pictures that its decoder keeps at most; 0: it does not say.

    H.264 counts references, and pictures that wait for their turn with them where it says so; H.265 counts the
    picture that is being decoded as well. Each of Motion JPEG's pictures stands alone.
    """
    codec = stream.codec_context
    if codec.name == "mjpeg":
        return 1
    if codec.name not in ("h264", "hevc") or len(codec.extradata or b"") > _MAX_HEADER_BYTES:
        return 0
    values = [int(value) + name.endswith("]") for name, value in _VALUE.findall(_headers(stream))]
    return max(1, *values) if values else 0


def _headers(stream: VideoStream) -> str:
    """Every value of the stream's headers, in words; as much of it as can be read."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        with av.logging.Capture() as lines, contextlib.suppress(FFmpegError):
            BitStreamFilterContext(_READER, stream)
        return "".join(text for _, _, text in lines)
    finally:
        av.logging.set_level(level)
