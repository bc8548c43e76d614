"""What stands for `{decoder}` and `{camera}` on which board, and what a child may say of its memory."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.sources.gstreamer import PictureCaps, PipelineConnection
from edgekit.device.runtime.sources.gstreamer_child import Newest, fill
from edgekit.device.runtime.sources.live import CameraLost, Shot
from edgekit.errors import InputError
from edgekit.schema.reader import to_raw
from edgekit.schema.source import GstreamerSource

LINE = "rtspsrc location=rtsp://c/1 ! rtph264depay ! h264parse ! {decoder} ! appsink"
JETSON = {"nvv4l2decoder", "nvarguscamerasrc", "avdec_h264", "v4l2src"}
ROCKCHIP = {"mppvideodec", "avdec_h264", "v4l2src"}
PLAIN = {"avdec_h264", "v4l2src", "vah264dec"}


@pytest.mark.parametrize(
    ("decoder", "there", "chosen"),
    [
        ("auto", JETSON, "nvv4l2decoder"),
        ("auto", ROCKCHIP, "mppvideodec"),
        ("auto", PLAIN, "avdec_h264"),
        ("avdec_h264", JETSON, "avdec_h264"),
        ("vah264dec", PLAIN, "vah264dec"),
    ],
)
def test_the_boards_own_decoder_comes_first(decoder: str, there: set[str], chosen: str) -> None:
    line, names = fill(LINE, "h264", decoder, there.__contains__)
    assert names == [chosen] and f"h264parse ! {chosen}" in line and line.endswith("! appsink")
    assert ("nvvidconv" in line) == (chosen == "nvv4l2decoder"), "its memory is the GPU's"


def test_the_boards_own_camera() -> None:
    assert fill("{camera} ! appsink", "h264", "auto", JETSON.__contains__)[1] == ["nvarguscamerasrc"]
    assert fill("{camera} ! appsink", "h264", "auto", PLAIN.__contains__)[0] == "v4l2src ! appsink"
    assert fill("videotestsrc ! appsink", "h264", "auto", set[str]().__contains__) == ("videotestsrc ! appsink", [])


@pytest.mark.parametrize(
    ("decoder", "reason"),
    [
        ("auto", "GStreamer here has no nvv4l2decoder, mppvideodec, v4l2slh265dec, avdec_h265, libde265dec"),
        ("vah265dec", "GStreamer here has no vah265dec"),
    ],
)
def test_what_is_missing_is_named(decoder: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fill(LINE, "h265", decoder, {"avdec_h264"}.__contains__)


CAPS = PictureCaps(
    format="I420",
    width_px=64,
    height_px=32,
    fps=10.0,
    offsets=(0, 2048, 2560),
    strides=(64, 32, 32),
    matrix="709",
    range="limited",
    bytes=3072,
    slots=2,
)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"bytes": 3071}, False),
        ({"offsets": (0, 2048, 2561)}, False),
        ({"strides": (63, 32, 32)}, False),
        ({"strides": (128, 32, 32)}, False),
        ({"offsets": (0, 2048)}, False),
        ({"format": "NV12", "offsets": (0, 2048), "strides": (64, 64)}, True),
        ({"format": "NV12", "offsets": (0, 2049), "strides": (64, 64)}, False),
        ({"format": "NV12"}, False),
    ],
)
def test_planes_lie_inside_their_slot(change: dict[str, object], fits: bool) -> None:
    assert replace(CAPS, **change).fits == fits  # type: ignore[arg-type]


def test_the_newest_picture_takes_the_place_of_those_that_nobody_took() -> None:
    newest = Newest()
    for picture in ("one", "two", "three"):
        newest.put(picture)
    assert newest.take(60.0) == ("three", 2)
    newest.put("four")
    assert newest.take(60.0) == ("four", 0)
    assert newest.take(0.0) == (None, 0)


class Pipeline:
    """A child that is this process: what it sends and prints is the test's."""

    def __init__(self) -> None:
        self.line: socket.socket
        self.pid = os.getpid()
        self.output, self.speak = os.pipe()
        os.set_blocking(self.output, False)
        os.set_blocking(self.speak, False)

    def start(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, inherit: Sequence[int]) -> Pipeline:
        self.line = socket.socket(fileno=os.dup(inherit[0]))
        return self

    def send(self, word: dict[str, object], *fds: int) -> None:
        socket.send_fds(self.line, [json.dumps(word).encode()], fds)

    def kill(self) -> None:
        self.line.close()

    def reap(self) -> int:
        os.close(self.output)
        os.close(self.speak)
        return -9

    def ended(self) -> bool:
        return False

    def signal(self, number: int) -> None:
        raise AssertionError(number)


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


@pytest.fixture
def connection(pipeline: Pipeline) -> PipelineConnection:
    source = GstreamerSource(kind="gstreamer", lane="l", launch="videotestsrc ! appsink", connect_s=30.0)
    return PipelineConnection("gate", source, pipeline.start)


def coming(connection: PipelineConnection) -> Iterator[Shot | None]:
    return connection.shots(LaneFigures("l", lambda: 0.0))


@pytest.mark.parametrize(
    "word",
    [
        {"caps": to_raw(replace(CAPS, bytes=3071))},
        {"caps": to_raw(CAPS) | {"width_px": 0}},
        {"error": "the pipeline ended"},
    ],
    ids=["planes outside", "no width", "an error"],
)
def test_memory_that_a_refused_packet_brought_is_given_back(
    pipeline: Pipeline, connection: PipelineConnection, word: dict[str, object]
) -> None:
    memory = os.memfd_create("refused")
    pipeline.send(word, memory)
    os.close(memory)
    with pytest.raises((CameraLost, InputError)):
        next(coming(connection))
    connection.close()
    assert not [target for target in open_files() if "refused" in target]


def open_files() -> list[str]:
    """What this process's descriptors lead to; one that others close meanwhile leads nowhere."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return found


def test_plugins_that_print_without_end_hold_nothing_up(pipeline: Pipeline, connection: PipelineConnection) -> None:
    memory = os.memfd_create("test")
    os.ftruncate(memory, CAPS.bytes * CAPS.slots)
    pipeline.send({"caps": to_raw(CAPS)}, memory)
    shots = coming(connection)
    for number in range(4):
        while True:  # until the pipe is full: a plugin's next line would wait here
            try:
                os.write(pipeline.speak, b"NvMMLiteBlockCreate : Block : BlockType = 261\n")
            except BlockingIOError:
                break
        pipeline.send({"slot": number % 2, "stamp_s": None, "at_s": 1.0})
        assert next(shots) is not None
        os.write(pipeline.speak, b"there is room again\n")
    pipeline.line.close()
    with pytest.raises(CameraLost, match="there is room again"):
        next(shots)
    connection.close()
    os.close(memory)
