"""What a source is decoded from, copied: it decodes by itself from every key picture on, whatever brought it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import StreamGap
from edgekit.device.runtime.sources.connection import FFmpegConnection
from edgekit.device.runtime.sources.file import ClipReader
from edgekit.device.runtime.sources.pace import Pace
from edgekit.device.runtime.sources.packets import RAW_FORMATS, EncodedPacket, PacketTap
from edgekit.schema.source import RtspSource
from edgekit.stage import Frame
from tests.fakes.clips import clip_source, damage, write_clip
from tests.fakes.clock import Clock
from tests.fakes.numbered_clip import numbers_in, write_numbered
from tests.fakes.vitals import allocated_bytes


class Taken:
    """Remembers."""

    def __init__(self) -> None:
        self.codecs: list[str] = []
        self.packets: list[EncodedPacket] = []

    def begin(self, codec: str) -> None:
        self.codecs.append(codec)

    def put(self, packet: EncodedPacket) -> None:
        self.packets.append(packet)

    @property
    def keys(self) -> list[int]:
        return [index for index, packet in enumerate(self.packets) if packet.is_key]


class Broken(Taken):
    """Fails on each."""

    def put(self, packet: EncodedPacket) -> None:
        raise RuntimeError("no room")


DECLARED: dict[str, dict[str, object]] = {"mpeg4": {"matrix": "601", "range": "limited"}, "grey": {"matrix": "601"}}


def play(file: Path, codec: str, taken: Taken, loops: int = 1) -> list[Frame | StreamGap]:
    clock = Clock()
    source = clip_source(file, **{"matrix": None, "loops": loops, **DECLARED.get(codec, {})})
    pace = Pace("camera", clock, clock.advance)
    clip = ClipReader("gate", source, file.parent, pace=pace, tap=PacketTap("gate", [taken]))
    seen = [entry for entry in clip.entries(LaneFigures("l", clock)) if isinstance(entry, Frame | StreamGap)]
    clip.close()
    return seen


@pytest.mark.parametrize(
    ("codec", "suffix", "reorder"),
    [
        ("h264", "mp4", 0),
        ("h264", "mkv", 2),
        ("h264", "ts", 2),
        ("hevc", "mp4", 0),
        ("hevc", "ts", 0),
        ("mjpeg", "mkv", 0),
        ("mpeg4", "mp4", 0),
        ("mpeg4", "avi", 0),
    ],
)
def test_packets_decode_from_any_key_picture_on(codec: str, suffix: str, reorder: int, tmp_path: Path) -> None:
    file, taken = write_numbered(tmp_path / f"c.{suffix}", codec, 40, reorder=reorder), Taken()
    frames = play(file, codec, taken)
    assert len(frames) == len(taken.packets) == 40
    assert taken.codecs == [codec]
    assert len(taken.keys) >= 4
    times = [packet.decoded for packet in taken.packets]
    assert times == sorted(set(times))
    assert all(packet.shown >= packet.decoded for packet in taken.packets)
    assert times[-1] - times[0] == pytest.approx(39 / 25 * 90_000, abs=8000)
    arrived = [packet.arrived_s for packet in taken.packets]
    assert arrived == sorted(arrived) and arrived[-1] - arrived[0] == pytest.approx(1.5, abs=0.2)
    for key in (taken.keys[0], taken.keys[-2]):
        raw = tmp_path / f"raw.{RAW_FORMATS[codec]}"
        raw.write_bytes(b"".join(packet.data.tobytes() for packet in taken.packets[key:]))
        assert numbers_in(raw) == [*range(key, 40)]


def test_each_pass_begins_anew_and_another_codec_gives_none(tmp_path: Path) -> None:
    taken = Taken()
    play(write_numbered(tmp_path / "c.mp4", "h264", 12), "h264", taken, loops=3)
    assert (taken.codecs, len(taken.packets)) == (["h264"] * 3, 36)
    other = Taken()
    assert len(play(write_numbered(tmp_path / "c.mkv", "vp9", 12), "vp9", other)) == 12
    assert (other.codecs, other.packets) == (["vp9"], [])


def test_a_damaged_packet_is_kept_and_the_source_goes_on(tmp_path: Path) -> None:
    file, taken = write_clip(tmp_path / "c.mkv", [0, 100, 200, 300, 400]), Taken()
    damage(file, [1, 2])
    seen = play(file, "grey", taken)
    assert [entry.sequence for entry in seen if isinstance(entry, Frame)] == [0, 3, 4]
    assert len(taken.packets) == 5


def test_a_taker_that_fails_costs_the_source_nothing(tmp_path: Path) -> None:
    frames = play(write_numbered(tmp_path / "c.mp4", "h264", 12), "h264", Broken())
    assert [frame.sequence for frame in frames if isinstance(frame, Frame)] == [*range(12)]


def test_parameters_that_cannot_be_read_cost_the_source_nothing(tmp_path: Path) -> None:
    file = write_numbered(tmp_path / "c.mp4", "h264", 12)
    data = bytearray(file.read_bytes())
    sizes = data.index(b"avcC") + 4 + 6
    data[sizes : sizes + 2] = b"\x7f\xff"  # of the first parameter set: beyond the record's end
    file.write_bytes(data)
    taken = Taken()
    with av.open(file) as container:
        stream = container.streams.video[0]
        tap = PacketTap("a", [taken])
        tap.begin(stream)
        for packet in container.demux(stream):
            tap.put(packet, 0.0)
    assert (taken.codecs, taken.packets) == (["h264"], [])


def leave_camera(file: Path) -> None:
    """As a frozen camera is left, or one that is stopped."""
    options = RtspSource(kind="rtsp", url="rtsp://a/b", lane="l")
    connection = FFmpegConnection("gate", av.open(str(file)), options)
    assert next(connection.shots(LaneFigures("l", Clock()))) is not None
    connection.close()


def leave_clip(file: Path) -> None:
    clock = Clock()
    clip = ClipReader("gate", clip_source(file), file.parent, pace=Pace("camera", clock, clock.advance))
    assert any(isinstance(entry, Frame) for entry in clip.entries(LaneFigures("l", clock)))
    clip.close()


@pytest.mark.parametrize("leave", [leave_camera, leave_clip])
def test_leaving_a_stream_halfway_leaves_nothing_in_memory(leave: Callable[[Path], None], tmp_path: Path) -> None:
    file, times = write_clip(tmp_path / "c.mkv", [0, 100, 200]), 300

    def grown_bytes() -> int:
        gc.collect()
        before = allocated_bytes()
        for _ in range(times):
            leave(file)
        gc.collect()
        return allocated_bytes() - before

    grown_bytes()
    assert grown_bytes() < 30 * times, "a packet of FFmpeg's alone has a hundred bytes"
