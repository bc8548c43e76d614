"""A camera that FFmpeg reads, as a `CameraConnection`: packets become pictures on the thread that asks for them."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import av.error
from av.error import FFmpegError, InvalidDataError

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.decoded import image_of, spec_of, stated_by_frame
from edgekit.device.runtime.sources.camera_clock import CameraClock
from edgekit.device.runtime.sources.live import CameraLost, Shot
from edgekit.device.runtime.sources.packets import PacketTap, demux
from edgekit.imaging.image import ImageSpec
from edgekit.schema.source import CameraOptions
from edgekit.stage import StreamInfo

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer
    from av.packet import Packet

_PRFT: Final = "prft"
"""A packet's time on the camera's clock, which RTCP sender reports give. Source: FFmpeg, AVProducerReferenceTime."""


class FFmpegConnection:
    """What `av.open` gave, read until it ends. See `edgekit.device.runtime.sources.live.CameraConnection`."""

    info: StreamInfo

    def __init__(
        self,
        name: str,
        container: InputContainer,
        options: CameraOptions,
        tap: PacketTap | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Own a container.

        Raises:
            CameraLost: there is no video in it.
        """
        self._name, self._container, self._options, self._clock = name, container, options, clock
        self._times = CameraClock()
        self._tap = tap
        self._spec: ImageSpec | None = None
        if not container.streams.video or container.streams.video[0].codec_context is None:
            container.close()
            raise CameraLost("down", "it sends no video that can be decoded here")
        self._stream: VideoStream = container.streams.video[0]
        self._stream.codec_context.thread_count = 1  # the thread that reads decodes, and no other
        if tap is not None:
            tap.begin(self._stream)

    def close(self) -> None:
        """See `CameraConnection.close`."""
        self._container.close()

    def shots(self, figures: LaneFigures) -> Iterator[Shot | None]:
        """See `CameraConnection.shots`. A packet that is damaged costs what is in it and no more."""
        missing = 0
        for packet in self._packets():
            arrived_s = self._clock()
            figures.begin("decode")
            try:
                pictures = packet.decode()
            except InvalidDataError:
                missing += self._spec is not None
                pictures = []
            finally:
                figures.end()
            camera_s = _camera_time(packet)
            if self._tap is not None:
                self._tap.put(packet, arrived_s)
            if not pictures:
                yield None
            while pictures:
                shot = self._shot(pictures.pop(0), arrived_s, camera_s, missing)
                missing = 0
                yield shot
                del shot
            del packet

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """What comes. FFmpeg sees a picture's end in the next one's beginning: when none comes in time, it first gives
        the last one, and would say only after a second wait that nothing came."""
        stall_s, asked_s = self._options.stall_s, self._clock()
        try:
            for packet in demux(self._container, self._stream):
                late = self._clock() - asked_s >= stall_s
                yield packet
                if late:
                    raise CameraLost("stalled", f"nothing came for {stall_s:g} s")
                asked_s = self._clock()
        except (av.error.ExitError, av.error.TimeoutError):
            raise CameraLost("stalled", f"nothing came for {stall_s:g} s") from None
        except FFmpegError as error:  # never its text: that holds the whole address
            raise CameraLost("down", error.strerror or type(error).__name__) from None
        raise CameraLost("down", "the camera ended the connection")

    def _shot(self, picture: VideoFrame, arrived_s: float, camera_s: float | None, missing: int) -> Shot:
        if self._spec is None:
            codec, options = self._stream.codec_context.name, self._options
            self._spec = spec_of(stated_by_frame(picture, codec), options.matrix, options.range, self._name)
            fps = float(self._stream.average_rate or self._stream.guessed_rate or 0)
            self.info = StreamInfo(name=self._name, spec=self._spec, fps=min(fps, 1000.0), codec=codec)
        return Shot(
            image=image_of(picture, self._spec),
            captured_s=self._times.at(picture.time, arrived_s),
            camera_s=camera_s,
            missing=missing,
        )


def _camera_time(packet: Packet[VideoStream]) -> float | None:
    """Seconds since 1970 by the camera's clock; None before its first report."""
    if not packet.has_sidedata(_PRFT):
        return None
    (wallclock_us,) = struct.unpack_from("=q", bytes(packet.get_sidedata(_PRFT)))
    return wallclock_us / 1e6 if wallclock_us > 0 else None
