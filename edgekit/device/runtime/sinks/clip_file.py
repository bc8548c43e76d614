"""One clip that is being written: packets as they came, in a container that any player opens."""

from __future__ import annotations

import io
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
from av.error import FFmpegError

from edgekit.device.runtime.sources.packets import CLOCK_HZ, RAW_FORMATS, EncodedPacket

_USUAL_TICKS = CLOCK_HZ // 25
_LONGEST_STEP = 10 * CLOCK_HZ
"""A longer pause between two packets, or a step back, is a clock that was set."""
_ENTRY_BYTES, _END_BYTES = 40, 4096
"""Of the index at a clip's end: for each packet, and for the rest. Source: ISO/IEC 14496-12, stts, ctts, stsz, stsc."""
_CONTAINERS = {"mp4": "mp4", "mkv": "matroska"}
FAULTS = (OSError, FFmpegError, ValueError)
"""What writing raises: of the disk, of FFmpeg for what it does not take, and PyAV's own."""

Opener = Callable[[Path], BinaryIO]
"""Makes a file to write into."""


def open_unbuffered(file: Path) -> BinaryIO:
    """A new file; what is written into it is the kernel's at once."""
    return file.open("xb", buffering=0)


class ClipFile:
    """A file that grows. It goes through Python, which lets other threads run while the disk is waited for."""

    def __init__(self, file: Path, container: Literal["mp4", "mkv"], codec: str, open_file: Opener) -> None:
        """Create the file.

        Raises:
            FAULTS: it cannot be created, and is not there.
        """
        self.path, self._codec = file, codec
        self._file = open_file(file)
        self._container: Any = None
        try:
            self._container = av.open(self._file, "w", format=_CONTAINERS[container])
        except FAULTS:
            self.discard()
            raise
        self._stream: Any = None
        self._began: int | None = None
        """What the source's clock said at the first packet; it moves where that clock was set."""
        self._last = self._ticks = 0
        self._step = _USUAL_TICKS
        self._arrived_s: list[float] = []
        self._places: list[int] = []

    @property
    def empty(self) -> bool:
        """Whether nothing was written yet."""
        return not self._places

    @property
    def seconds(self) -> float:
        """How long it is."""
        return 0.0 if self.empty else (self._ticks + self._step) / CLOCK_HZ

    @property
    def bytes(self) -> int:
        """What it takes, with what will be written at its end."""
        return os.fstat(self._file.fileno()).st_size + _END_BYTES + _ENTRY_BYTES * len(self._places)

    def place_s(self, at_s: float) -> float:
        """Where in the clip a picture is that was there at this time, in seconds; below 0 where it is not."""
        if self.empty or at_s < self._arrived_s[0] - 1:
            return at_s - self._arrived_s[0] if self._arrived_s else 0.0
        index = min(bisect_left(self._arrived_s, at_s), len(self._places) - 1)
        return self._places[index] / CLOCK_HZ

    def add(self, packets: Iterable[EncodedPacket]) -> None:
        """Write packets; the first of all is a key picture.

        Raises:
            FAULTS: it cannot be written.
        """
        for packet in packets:
            if self._stream is None:
                self._stream = self._begin(packet)
            shown, decoded = self._times(packet)
            made: Any = av.Packet(packet.data.tobytes())
            made.stream, made.time_base = self._stream, Fraction(1, CLOCK_HZ)
            made.pts, made.dts, made.duration = shown, decoded, packet.duration or self._step
            made.is_keyframe = packet.is_key
            self._container.mux(made)
            self._arrived_s.append(packet.arrived_s)
            self._places.append(shown)

    def finish(self) -> None:
        """Write what players need, and have the disk keep it.

        Raises:
            FAULTS: it cannot be written.
        """
        self._container.close()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        """There shall be no such file."""
        if self._container is not None:
            with suppress(*FAULTS):
                self._container.close()
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _begin(self, packet: EncodedPacket) -> object:
        """The stream, whose parameters FFmpeg reads from the first packet itself: it brings them all."""
        with av.open(io.BytesIO(packet.data.tobytes()), format=RAW_FORMATS[self._codec]) as first:
            stream = self._container.add_stream_from_template(first.streams.video[0], opaque=True)
        stream.time_base = Fraction(1, CLOCK_HZ)
        return stream

    def _times(self, packet: EncodedPacket) -> tuple[int, int]:
        """When it is shown and decoded, from the clip's beginning; it always goes on."""
        if self._began is None:
            self._began, self._last = packet.decoded, packet.decoded
            return packet.shown - packet.decoded, 0
        step = packet.decoded - self._last
        self._last = packet.decoded
        if 0 < step <= _LONGEST_STEP:
            self._step = step
        self._ticks += self._step
        return self._ticks + min(packet.shown - packet.decoded, _LONGEST_STEP), self._ticks
