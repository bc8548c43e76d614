"""`rtsp`: a camera on the network, through FFmpeg."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import quote

import av
import av.error
import av.logging
from av.error import FFmpegError

from edgekit.device.runtime.sources.connection import FFmpegConnection
from edgekit.device.runtime.sources.live import CameraLost, LiveCamera
from edgekit.device.runtime.sources.packets import PacketTap
from edgekit.device.runtime.sources.secrets import hider
from edgekit.schema.source import RtspSource


def rtsp_camera(name: str, source: RtspSource, tap: PacketTap | None = None) -> LiveCamera:
    """The source of an RTSP camera; nothing is connected yet."""
    return LiveCamera(name, source, lambda: connect(name, source, tap), hide=hider(source.password))


def connect(name: str, source: RtspSource, tap: PacketTap | None = None) -> FFmpegConnection:
    """Open a camera's stream.

    Raises:
        CameraLost: it does not answer within `connect_s`, or not as it should.
    """
    av.logging.set_level(None)  # FFmpeg's own lines can hold the address with its password
    limits, began_s = (source.connect_s, source.stall_s), time.monotonic()
    try:
        container = av.open(full_url(source), options=dict(options_of(source)), timeout=limits)
    except av.error.ExitError:
        raise CameraLost("down", f"no answer for {source.connect_s:g} s") from None
    except av.error.HTTPUnauthorizedError:
        raise CameraLost("down", "it refuses this user and password (401)") from None
    except av.error.HTTPNotFoundError:
        raise CameraLost("down", "it has no such path (404)") from None
    except FFmpegError as error:  # never its text: that holds the whole address
        if time.monotonic() - began_s >= source.connect_s:  # FFmpeg calls the end of its time invalid data
            raise CameraLost("down", f"no answer for {source.connect_s:g} s") from None
        raise CameraLost("down", f"cannot be opened: {error.strerror or type(error).__name__}") from None
    return FFmpegConnection(name, container, source, tap)


def options_of(source: RtspSource) -> Mapping[str, str]:
    """What FFmpeg's RTSP client is told. It ignores names that it does not know: a test asks it for each of these.

    `listen_timeout` and `rtsp_flags=listen` would make a server of it, and are none of a recipe's business.
    """
    tcp = source.transport == "tcp"
    return {
        "rtsp_transport": source.transport,
        "timeout": str(int(max(source.connect_s, source.stall_s) * 1e6)),  # PyAV's own limits end each of the two
        "allowed_media_types": "video",
        "reorder_queue_size": "0" if tcp else "64",
        "max_delay": "200000",
        "fflags": "nobuffer",
        "probesize": "65536",
        "analyzeduration": "1000000",
    }


def full_url(source: RtspSource) -> str:
    """The address with user and password, for FFmpeg alone."""
    if source.user is None:
        return source.url
    scheme, _, rest = source.url.partition("://")
    login = quote(source.user, safe="")
    if source.password is not None:
        login += ":" + quote(source.password, safe="")
    return f"{scheme}://{login}@{rest}"
