"""`v4l2`: a camera of the kernel, on USB or CSI, through FFmpeg."""

from __future__ import annotations

import av
import av.error
import av.logging
from av.error import FFmpegError

from edgekit.device.runtime.sources.connection import FFmpegConnection
from edgekit.device.runtime.sources.live import CameraLost, LiveCamera
from edgekit.device.runtime.sources.packets import PacketTap
from edgekit.schema.source import V4l2Source

_FORMATS = {
    "yuyv": "yuyv422",
    "mjpeg": "mjpeg",
    "nv12": "nv12",
    "i420": "yuv420p",
    "grey": "gray",
    "rgb": "rgb24",
    "bgr": "bgr24",
}
"""As FFmpeg calls them. Source: FFmpeg, libavdevice/v4l2-common.c."""


def kernel_camera(name: str, source: V4l2Source, tap: PacketTap | None = None) -> LiveCamera:
    """The source of a camera of the kernel; nothing is opened yet."""
    return LiveCamera(name, source, lambda: connect(name, source, tap))


def connect(name: str, source: V4l2Source, tap: PacketTap | None = None) -> FFmpegConnection:
    """Open a camera.

    Raises:
        CameraLost: it is not there, somebody else has it, or it cannot do what is asked of it.
    """
    av.logging.set_level(None)
    options = {
        "input_format": _FORMATS[source.format],
        "video_size": f"{source.width_px}x{source.height_px}",
        "framerate": f"{source.fps:g}",
    }
    try:
        container = av.open(source.device, format="v4l2", options=options, timeout=(source.stall_s, source.stall_s))
    except av.error.ExitError:
        raise CameraLost("down", f"{source.device} gave nothing for {source.stall_s:g} s") from None
    except FFmpegError as error:
        reason = f"{source.device} cannot be opened: {error.strerror or type(error).__name__}"
        raise CameraLost("down", reason) from None
    return FFmpegConnection(name, container, source, tap)
