"""A clip that stands in for a camera: its packets come when they are due, and are decoded as they come.

A recording is decoded ahead of each picture's time, beside the stages of the picture before. What a camera's frame
costs, and whom it meets, would look otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.error import FFmpegError

from edgekit.device.runtime.sources.connection import FFmpegConnection
from edgekit.device.runtime.sources.live import CameraLost, LiveCamera
from edgekit.device.runtime.sources.packets import PacketTap, demux
from edgekit.device.runtime.sources.shaping import Shaped
from edgekit.schema.source import CameraOptions, FileSource

if TYPE_CHECKING:
    from av import VideoStream
    from av.container import InputContainer
    from av.container.streams import StreamContainer
    from av.packet import Packet

_NEVER_S = 86_400.0
_USUAL_FPS = 25


class PacedClip:
    """What `av.open` gave, as a camera would send it, over and over: as much of it as `FFmpegConnection` uses."""

    def __init__(
        self,
        container: InputContainer,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Own a container; `clock` and `sleep` are in seconds."""
        self._container, self._clock, self._sleep = container, clock, sleep
        self.keys: list[int] = []
        """Which of the packets that it has given were key pictures."""
        self._given = 0

    @property
    def streams(self) -> StreamContainer:
        """See `InputContainer.streams`."""
        return self._container.streams

    def close(self) -> None:
        """See `InputContainer.close`."""
        self._container.close()

    def demux(self, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        """See `InputContainer.demux`; ends never, but where the clip has no packet with a time."""
        began_s, period_s = self._clock(), 1 / float(stream.average_rate or _USUAL_FPS)
        while True:
            first_s: float | None = None
            at_s = 0.0
            for packet in demux(self._container, stream):
                if packet.dts is None or not packet.size:
                    continue
                sent_s = float(packet.dts * packet.time_base)
                first_s = sent_s if first_s is None else first_s
                at_s = sent_s - first_s
                self._sleep(max(0.0, began_s + at_s - self._clock()))
                if packet.is_keyframe:
                    self.keys.append(self._given)
                self._given += 1
                yield packet
            if first_s is None:
                return
            began_s += at_s + period_s
            self._container.seek(0)


class StandInCameras:
    """Opens sources of a plan; see `open_source`. Knows what each has sent."""

    def __init__(self) -> None:
        self.clips: dict[str, PacedClip] = {}

    def open(self, name: str, source: object, release: Path, tap: PacketTap | None = None) -> Shaped:
        """The camera that plays a clip; nothing is opened yet."""
        assert isinstance(source, FileSource), "all sources are clips"
        options = CameraOptions(
            lane=source.lane, matrix=source.matrix, range=source.range, stall_s=3600.0, frozen_s=0.0
        )

        def connect() -> FFmpegConnection:
            try:
                clip = self.clips[name] = PacedClip(av.open(str(release / source.path)))
            except FFmpegError as error:
                raise CameraLost("down", f"{source.path} cannot be played: {error.strerror}") from None
            return FFmpegConnection(name, cast("InputContainer", clip), options, tap)

        return Shaped(LiveCamera(name, options, connect), source)
