"""Copies what a source is decoded from, for whoever keeps it: clips are made of it without decoding or encoding."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from av import VideoStream
    from av.bitstream import BitStreamFilterContext
    from av.container import InputContainer
    from av.packet import Packet

CLOCK_HZ = 90_000
"""Of packets' times: what MPEG and RTP count video in."""
RAW_FORMATS: Mapping[str, str] = MappingProxyType({"h264": "h264", "hevc": "hevc", "mjpeg": "mjpeg", "mpeg4": "m4v"})
"""Codecs whose packets can be kept, and what FFmpeg calls a file of nothing but such packets, one after the other."""
_USUAL_TICKS = CLOCK_HZ // 25
_MOST_REORDERED = 4
_LENGTH_PREFIXED = 1
"""First byte of parameters in MP4's form. Source: ISO/IEC 14496-15, AVCDecoderConfigurationRecord and HEVC's."""
_LOG = logging.getLogger("edgekit.source")


def demux(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """A stream's packets, as PyAV's own `demux` gives them; whoever stops halfway leaves nothing behind.

    PyAV's is no Python generator: it frees its buffers at its end or when it is closed, but not when it is dropped.
    `yield from` closes it. Source: https://github.com/cython/cython/issues/6405.
    """
    yield from container.demux(stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPacket:
    """One encoded picture. A key picture brings all parameters that a decoder needs."""

    data: npt.NDArray[np.uint8]
    """uint8[bytes], a copy that nobody writes into: H.264 and H.265 with start codes, as in Annex B."""
    is_key: bool
    """Whether a decoder can begin here."""
    shown: int
    """When it is shown, in ticks of `CLOCK_HZ` from anywhere."""
    decoded: int
    """When it is decoded, likewise: packets come in this order."""
    duration: int
    """In ticks; 0 where the source does not say."""
    arrived_s: float
    """Monotonic time at which it was there, before it was decoded."""


class PacketTaker(Protocol):
    """Takes the packets of one stream, on the thread that decodes it: it must not wait for anything."""

    def begin(self, codec: str) -> None:
        """What follows has nothing to do with what came before. `codec` as FFmpeg calls it."""

    def put(self, packet: EncodedPacket) -> None:
        """The next packet."""


class PacketTap:
    """Stands in a source, beside its decoder. Whatever fails here costs the source nothing."""

    def __init__(self, stream: str, takers: Sequence[PacketTaker]) -> None:
        """Copy nothing yet.

        Args:
            stream: whose packets they are.
            takers: who gets them.
        """
        self._stream, self._takers = stream, tuple(takers)
        self._filter: BitStreamFilterContext | None = None
        self._parameters = np.empty(0, np.uint8)
        self._reorder = 0
        """How many pictures may come before one that is shown earlier."""
        self._last: int | None = None
        self._usable = self._failed = False

    def begin(self, stream: VideoStream) -> None:
        """Packets of this stream follow, from a new connection or from the beginning of a recording."""
        codec, parameters = stream.codec_context.name, stream.codec_context.extradata or b""
        self._filter, self._parameters, self._last = None, np.empty(0, np.uint8), None
        self._reorder = _MOST_REORDERED if stream.codec_context.has_b_frames else 0
        self._usable, self._failed = codec in RAW_FORMATS, False
        if codec in ("h264", "hevc") and parameters[:1] == bytes([_LENGTH_PREFIXED]):
            from av.bitstream import BitStreamFilterContext  # noqa: PLC0415  only where something is decoded
            from av.error import FFmpegError  # noqa: PLC0415  likewise

            try:
                self._filter = BitStreamFilterContext(f"{codec}_mp4toannexb", stream)
            except FFmpegError as error:  # parameters that a decoder may well do without
                _LOG.warning("stream %s: its packets cannot be kept: %s", self._stream, type(error).__name__)
                self._usable = False
        elif codec != "mjpeg":
            self._parameters = np.frombuffer(parameters, np.uint8)
        for taker in self._takers:
            taker.begin(codec)

    def put(self, packet: Packet[VideoStream], arrived_s: float) -> None:
        """Copy a packet that was decoded already: it may be empty afterwards."""
        if not self._usable or not packet.size:
            return
        try:
            made = self._made(packet, arrived_s)
            for taker in self._takers:
                taker.put(made)
        except Exception as error:  # FFmpeg's, of a packet that is none
            if not self._failed:
                _LOG.warning("stream %s: a packet cannot be kept: %s", self._stream, type(error).__name__)
            self._failed = True

    def _made(self, packet: Packet[VideoStream], arrived_s: float) -> EncodedPacket:
        is_key = bool(packet.is_keyframe)
        shown, decoded, duration = self._times(packet, arrived_s)
        made = self._filter.filter(packet) if self._filter else [packet]
        parts = [np.frombuffer(one, np.uint8) for one in made]  # type: ignore[call-overload, unused-ignore]
        begin = self._parameters
        if is_key and begin.size and not np.array_equal(parts[0][: begin.size], begin):
            parts.insert(0, begin)
        return EncodedPacket(
            data=np.concatenate(parts),  # a copy: a driver's buffers end with its connection
            is_key=is_key,
            shown=max(shown, decoded),
            decoded=decoded,
            duration=duration,
            arrived_s=arrived_s,
        )

    def _times(self, packet: Packet[VideoStream], arrived_s: float) -> tuple[int, int, int]:
        """When a packet is shown and decoded, and how long it lasts; some sources leave out one or the other."""

        def ticks(stamp: int | None) -> int | None:
            return None if stamp is None else round(stamp * (packet.time_base or 0) * CLOCK_HZ)

        shown, decoded, duration = ticks(packet.pts), ticks(packet.dts), ticks(packet.duration) or 0
        if decoded is None:  # Matroska's first packets, before FFmpeg has seen how pictures are reordered
            step = duration or _USUAL_TICKS
            first = round(arrived_s * CLOCK_HZ) if shown is None else shown - self._reorder * step
            decoded = first if self._last is None else self._last + step
        self._last = decoded
        return (decoded if shown is None else shown), decoded, duration
