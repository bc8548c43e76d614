"""A preview sink on a socket of its own, fed by hand, and viewers that speak real HTTP with it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import StreamStarted
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.preview.sink import PreviewPlayer
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.imaging.image import FrameSpec, Yuv420Image
from edgekit.schema.plan import StagePlan
from edgekit.schema.sink import PreviewSink
from edgekit.schema.source import SyntheticSource
from edgekit.stage import Frame, StreamInfo
from tests.fakes.plans import small_plan

PREVIEW = PreviewSink(kind="preview", lane="all", fps=30.0)
SPEC = FrameSpec(width_px=640, height_px=360, matrix="709", range="limited")


def plain_image(luma: int = 120, spec: FrameSpec = SPEC) -> Yuv420Image:
    """One grey all over."""
    half = ((spec.height_px + 1) // 2, (spec.width_px + 1) // 2)
    chroma = np.full(half, 128, np.uint8)
    return Yuv420Image(y=np.full((spec.height_px, spec.width_px), luma, np.uint8), u=chroma, v=chroma, spec=spec)


class PreviewBench:
    """The sink and its streams; the test is their lane."""

    def __init__(self, socket_path: Path, plan: PreviewSink, streams: tuple[str, ...], stages: tuple[StagePlan, ...]):
        self.path = socket_path
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(socket_path))
        listener.listen()
        source = SyntheticSource(kind="synthetic", lane="all", width_px=640, height_px=360, fps=10.0)
        whole = small_plan(*stages, sources=dict.fromkeys(streams, source), sinks={"preview": plan})
        self.pipeline, self.figures = PipelineFigures(), SinkFigures()
        where = {"release": socket_path.parent, "work": socket_path.parent}
        context = SinkContext(name="preview", plan=whole, figures=self.pipeline, preview=listener, **where)
        self.sink = PreviewPlayer(plan, context, self.figures)
        self.sequence = 0
        for name in streams:
            info = StreamInfo(name=name, spec=SPEC, fps=10.0)
            self.pipeline.add(name, info)
            self.pipeline.streams[name].turn("live")
            self.sink.follow(StreamStarted(info=info))

    @property
    def encoded(self) -> int:
        """JPEGs that were made."""
        return self.sink._painter.encoded

    def feed(self, stream: str = "gate", **more: Any) -> Frame:
        """One frame comes through."""
        given: dict[str, Any] = {"image": plain_image(), "captured_s": time.monotonic(), **more}
        self.sequence += 1
        frame = Frame(stream=stream, sequence=self.sequence, **given)
        self.sink.take(frame)
        self.pipeline.arrive(frame)
        return frame

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """One request and its whole answer."""
        with viewer(self.path) as connection:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("edgekit")
        self._path, self.timeout = path, 20

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))  # waits while too many stand in line
        self.sock.settimeout(self.timeout)


@contextmanager
def viewer(path: Path) -> Iterator[UnixConnection]:
    """A connection for as long as the block runs."""
    connection = UnixConnection(path)
    try:
        yield connection
    finally:
        connection.close()


def parts(answer: Any) -> Iterator[tuple[str, bytes]]:
    """What comes in a multipart answer: the stream's name, empty for the state, and the content."""
    boundary = re.search("boundary=(.+)", answer.getheader("content-type"))
    assert boundary
    mark = b"--" + boundary[1].encode() + b"\r\n"
    assert answer.readline() == mark
    while True:
        headers = http.client.parse_headers(answer)
        if "content-length" not in headers:
            return
        data = answer.read(int(headers["content-length"]))
        assert answer.read(2) == b"\r\n" and answer.readline() == mark
        yield headers.get("x-stream", ""), data


def decoded(jpeg: bytes) -> npt.NDArray[np.uint8]:
    """A JPEG's pixels, BGR."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def grey_of(jpeg: bytes) -> float:
    """How light a picture is where nothing is drawn: to the right, halfway down."""
    pixels = decoded(jpeg)
    return float(pixels[pixels.shape[0] // 3, -8:].mean())


@contextmanager
def preview_bench(
    folder: Path, *streams: str, stages: tuple[StagePlan, ...] = (), **options: Any
) -> Iterator[PreviewBench]:
    """A bench for as long as the block runs; one stream named gate where none is given."""
    folder.mkdir(exist_ok=True)
    bench = PreviewBench(folder / "s", replace(PREVIEW, **options), streams or ("gate",), stages)
    try:
        yield bench
    finally:
        bench.sink.close()


def state_of(data: bytes) -> dict[str, Any]:
    """The state as the page gets it."""
    found: dict[str, Any] = json.loads(data)
    return found
