"""A clip that stands in for a camera: its packets come when they are due, and are decoded as they come.

A recording is decoded ahead of each picture's time, beside the stages of the picture before. What a camera's frame
costs, and whom it meets, would look otherwise.
"""

from __future__ import annotations

import threading
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
        *,
        began_s: float | None = None,
        slow: float = 0.0,
    ) -> None:
        """Own a container.

        Args:
            container: the clip's.
            clock: monotonic seconds.
            sleep: for so many seconds.
            began_s: when its first picture is due; None: when it is asked for.
            slow: by how much it falls behind, in seconds a second.
        """
        self._container, self._clock, self._sleep = container, clock, sleep
        self._began_s, self._pace = began_s, 1 + slow
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
        began_s = self._clock() if self._began_s is None else self._began_s
        period_s, passed_s = 1 / float(stream.average_rate or _USUAL_FPS), 0.0
        while True:
            first_s: float | None = None
            at_s = 0.0
            for packet in demux(self._container, stream):
                if packet.dts is None or not packet.size:
                    continue
                sent_s = float(packet.dts * packet.time_base)
                first_s = sent_s if first_s is None else first_s
                at_s = passed_s + sent_s - first_s
                self._sleep(max(0.0, began_s + at_s * self._pace - self._clock()))
                if packet.is_keyframe:
                    self.keys.append(self._given)
                self._given += 1
                yield packet
            if first_s is None:
                return
            passed_s = at_s + period_s
            self._container.seek(0)


class StandInCameras:
    """Opens sources of a plan; see `open_source`. Knows what each has sent.

    All begin at once, however long opening takes, and drift apart: so their pictures meet, at first in the same step
    and later in others. Had each begun when it was open, it would be chance whether any two of them meet.
    """

    def __init__(
        self,
        drift: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Open nothing yet.

        Args:
            drift: by how much each falls behind the one that was opened before it, in seconds a second.
            clock: monotonic seconds.
            sleep: for so many seconds.
        """
        self.clips: dict[str, PacedClip] = {}
        self._drift, self._clock, self._sleep = drift, clock, sleep
        self._opened = 0
        self._began_s: float | None = None
        self._lock = threading.Lock()

    def open(self, name: str, source: object, release: Path, tap: PacketTap | None = None) -> Shaped:
        """The camera that plays a clip; nothing is opened yet."""
        assert isinstance(source, FileSource), "all sources are clips"
        options = CameraOptions(
            lane=source.lane, matrix=source.matrix, range=source.range, stall_s=3600.0, frozen_s=0.0
        )
        slow, self._opened = self._opened * self._drift, self._opened + 1

        def connect() -> FFmpegConnection:
            began_s = self._begin() if name not in self.clips else None  # once it was lost it stands alone
            try:
                container = av.open(str(release / source.path))
            except FFmpegError as error:
                raise CameraLost("down", f"{source.path} cannot be played: {error.strerror}") from None
            clip = self.clips[name] = PacedClip(container, self._clock, self._sleep, began_s=began_s, slow=slow)
            return FFmpegConnection(name, cast("InputContainer", clip), options, tap)

        return Shaped(LiveCamera(name, options, connect), source)

    def _begin(self) -> float:
        """When the first of them was opened: each opens on a thread of its own."""
        with self._lock:
            if self._began_s is None:
                self._began_s = self._clock()
            return self._began_s
