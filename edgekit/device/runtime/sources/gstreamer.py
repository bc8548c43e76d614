"""`gstreamer`: any pipeline that ends in an appsink, in a process of its own on the board's Python."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import select
import socket
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.decoded import agree
from edgekit.device.runtime.sources import gstreamer_child
from edgekit.device.runtime.sources.camera_clock import CameraClock
from edgekit.device.runtime.sources.live import CameraLost, LiveCamera, Shot
from edgekit.device.runtime.sources.secrets import hider
from edgekit.errors import InputError
from edgekit.executor.child import Starter, start_child
from edgekit.imaging.image import FrameSpec, Pixels, Siting, Yuv420Image
from edgekit.schema.bounds import Between, Length
from edgekit.schema.message import Message, from_message
from edgekit.schema.source import GstreamerSource, Matrix, Range
from edgekit.stage import StreamInfo

PYTHON = "/usr/bin/python3"
"""The board's own: its distribution's `gi` belongs to it."""
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_WORD_BYTES = 1 << 16
_Size = Annotated[int, Between(2, 16_384)]
_Place = Annotated[int, Between(0, 1 << 27)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCaps:
    """What the pictures in the shared memory are."""

    format: Literal["NV12", "NV21", "I420"]
    width_px: _Size
    height_px: _Size
    fps: Annotated[float, Between(0, 100_000)]
    offsets: Annotated[tuple[_Place, ...], Length(2, 3)]
    strides: Annotated[tuple[_Place, ...], Length(2, 3)]
    """Bytes from row to row, by plane."""
    matrix: Matrix | None
    range: Range | None
    siting: Siting = "unknown"
    bytes: Annotated[int, Between(1, 1 << 27)]
    """Of each slot."""
    slots: Annotated[int, Between(1, 64)]
    chosen: tuple[str, ...] = ()
    """Elements that stand for `{decoder}` and `{camera}`."""

    @property
    def fits(self) -> bool:
        """Whether every plane lies in its slot."""
        rows = (self.height_px, *[(self.height_px + 1) // 2] * 2)
        half = (self.width_px + 1) // 2
        widths = (self.width_px, 2 * half) if self.format != "I420" else (self.width_px, half, half)
        planes = tuple(zip(widths, rows, self.offsets, self.strides, strict=False))
        return len(planes) == len(widths) == len(self.offsets) == len(self.strides) and all(
            stride >= width and offset + stride * (count - 1) + width <= self.bytes
            for width, count, offset, stride in planes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildWord(Message):
    """One packet from `gstreamer_child`."""

    caps: PictureCaps | None = None
    slot: Annotated[int, Between(0, 63)] | None = None
    stamp_s: Annotated[float, Between(0, 1e12)] | None = None
    at_s: Annotated[float, Between(0, 1e12)] = 0.0
    overtaken: Annotated[int, Between(0, 1_000_000)] = 0
    """Pictures before it that the child dropped, as none of its slots was free."""
    error: str = ""


def pipeline_camera(name: str, source: GstreamerSource) -> LiveCamera:
    """The source of a pipeline; nothing is started yet."""
    return LiveCamera(name, source, lambda: PipelineConnection(name, source), hide=hider())


class PipelineConnection:
    """A child and the memory that it shares. See `edgekit.device.runtime.sources.live.CameraConnection`."""

    info: StreamInfo

    def __init__(self, name: str, source: GstreamerSource, start: Starter = start_child) -> None:
        """Start the child, pinned as the calling thread is.

        Raises:
            CameraLost: there is no such Python.
        """
        self._name, self._source = name, source
        self._times = CameraClock()
        self._caps: PictureCaps | None = None
        self._memory: mmap.mmap | None = None
        self._received: list[int] = []
        """Descriptors from the child, closed with the connection."""
        self._printed = b""
        """The end of what it has printed."""
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = str(Path(gstreamer_child.__file__))
        argv = [PYTHON, "-I", script, str(theirs.fileno())]
        try:
            self._child = start(argv, env=_ENVIRONMENT, cwd="/", inherit=[theirs.fileno()])
        except InputError as error:
            self._line.close()
            raise CameraLost("down", error.message) from error
        finally:
            theirs.close()
        self._poll = select.poll()
        self._poll.register(self._line, select.POLLIN)
        self._poll.register(self._child.output, select.POLLIN)
        request = {"launch": source.launch, "codec": source.codec, "decoder": source.decoder}
        self._line.send(json.dumps(request).encode())  # not in its arguments: a line may hold a password

    def close(self) -> None:
        """See `CameraConnection.close`. Pictures that are still held keep their memory."""
        self._child.kill()
        self._child.reap()
        self._line.close()
        while self._received:
            os.close(self._received.pop())

    def shots(self, figures: LaneFigures) -> Iterator[Shot | None]:
        """See `CameraConnection.shots`."""
        limit_s = self._source.connect_s
        while True:
            word = self._hear(limit_s)
            if word.error:
                raise CameraLost("down", word.error)
            if word.caps is not None:
                self._begin(word.caps)
            elif word.slot is not None and self._memory is not None:
                limit_s = self._source.stall_s
                figures.begin("decode")
                shot = self._shot(word.slot, word)
                figures.end()
                yield shot
                del shot

    def _hear(self, limit_s: float) -> ChildWord:
        if not self._wait_for_packet(limit_s):
            state: Literal["down", "stalled"] = "stalled" if self._caps else "down"
            raise CameraLost(state, f"no picture for {limit_s:g} s")
        try:
            content, fds, _, _ = socket.recv_fds(self._line, _WORD_BYTES, 1)
        except ConnectionError:  # it ended with packets from here unread
            content, fds = b"", []
        self._received += fds
        if not content:
            raise CameraLost("down", f"the pipeline's process ended: {self._last_words()}")
        return from_message(ChildWord, content, "gstreamer")

    def _wait_for_packet(self, limit_s: float) -> bool:
        """Whether one is there in time. What plugins print is read meanwhile: a full pipe would hold them up."""
        deadline_s = time.monotonic() + limit_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            ready = {fd for fd, _ in self._poll.poll(left_s * 1000)}
            if self._child.output in ready and not self._read_output():
                self._poll.unregister(self._child.output)
            if self._line.fileno() in ready:
                return True
        return False

    def _read_output(self) -> bool:
        """Take some of what the child has printed; False where nothing follows."""
        try:
            text = os.read(self._child.output, _WORD_BYTES)
        except BlockingIOError:
            return True
        self._printed = (self._printed + text)[-_WORD_BYTES:]
        return bool(text)

    def _last_words(self) -> str:
        self._read_output()
        lines = self._printed.decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    def _begin(self, caps: PictureCaps) -> None:
        if not self._received or self._memory is not None or not caps.fits:
            raise CameraLost("down", "the pipeline's pictures do not lie where they should")
        self._memory = mmap.mmap(self._received[-1], caps.bytes * caps.slots)
        name, source = self._name, self._source
        spec = FrameSpec(
            width_px=caps.width_px,
            height_px=caps.height_px,
            matrix=agree(caps.matrix, source.matrix, name, "matrix"),
            range=agree(caps.range, source.range, name, "range"),
            siting=caps.siting,
            format=caps.format,
        )
        self._caps = caps
        self._spec = spec
        self.info = StreamInfo(name=name, spec=spec, fps=min(caps.fps, 1000.0), codec=" ".join(caps.chosen))

    def _shot(self, slot: int, word: ChildWord) -> Shot:
        caps = self._caps
        assert caps is not None and self._memory is not None
        if slot >= caps.slots:
            raise CameraLost("down", "the pipeline's pictures do not lie where they should")
        raw = (ctypes.c_ubyte * caps.bytes).from_buffer(self._memory, slot * caps.bytes)
        # Arrays hold what they were made of: with the last view of the picture its slot goes back.
        weakref.finalize(raw, _give_back, self._line, slot).atexit = False
        whole: Pixels = np.frombuffer(memoryview(raw), np.uint8)
        whole.flags.writeable = False
        y, u, v = _planes(whole, caps)
        image = Yuv420Image(y=y, u=u, v=v, spec=self._spec)
        arrived_s = min(word.at_s, time.monotonic())
        return Shot(image=image, captured_s=self._times.at(word.stamp_s, arrived_s), overtaken=word.overtaken)


def _planes(whole: Pixels, caps: PictureCaps) -> tuple[Pixels, Pixels, Pixels]:
    def plane(index: int, width: int, rows: int) -> Pixels:
        offset, stride = caps.offsets[index], caps.strides[index]
        return np.lib.stride_tricks.as_strided(whole[offset:], (rows, width), (stride, 1), writeable=False)

    rows, half = (caps.height_px + 1) // 2, (caps.width_px + 1) // 2
    y = plane(0, caps.width_px, caps.height_px)
    if caps.format == "I420":
        return y, plane(1, half, rows), plane(2, half, rows)
    pairs = plane(1, 2 * half, rows)
    first, second = pairs[:, 0::2], pairs[:, 1::2]
    return (y, first, second) if caps.format == "NV12" else (y, second, first)


def _give_back(line: socket.socket, slot: int) -> None:
    with contextlib.suppress(OSError):  # the child is gone, or does not listen: then it has no use for it
        line.send(bytes([slot]), socket.MSG_DONTWAIT)
