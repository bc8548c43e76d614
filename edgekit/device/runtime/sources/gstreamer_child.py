"""Runs a GStreamer pipeline beside a worker, on the board's own Python, and hands its pictures over in shared memory.

    /usr/bin/python3 -I gstreamer_child.py FD

FD is a socket of packets. One comes first: what to run, as JSON. Then each packet from here is JSON: `caps` once, with
the memory's descriptor; a `slot` for each picture; or `error`, the last. Each byte that comes back is a free slot.

The board's `gi` belongs to the board's Python, and a plugin that crashes or hangs takes a process along: so this is one
of its own. It imports nothing but the standard library and `gi`, and works on any Python from 3.10 on.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

SLOTS = 6
"""Pictures that may be on their way in the worker at once; while all are, the newest waits and older ones go."""
_LOOK_S = 0.1
DECODERS = {
    "h264": (
        ("nvv4l2decoder", "nvv4l2decoder ! nvvidconv ! video/x-raw,format=NV12"),
        ("mppvideodec", "mppvideodec"),
        ("v4l2slh264dec", "v4l2slh264dec"),
        ("avdec_h264", "avdec_h264 max-threads=1"),
        ("openh264dec", "openh264dec"),
    ),
    "h265": (
        ("nvv4l2decoder", "nvv4l2decoder ! nvvidconv ! video/x-raw,format=NV12"),
        ("mppvideodec", "mppvideodec"),
        ("v4l2slh265dec", "v4l2slh265dec"),
        ("avdec_h265", "avdec_h265 max-threads=1"),
        ("libde265dec", "libde265dec max-threads=1"),
    ),
}
"""Elements and how they are used, the best first: a board's hardware, then software. Source: NVIDIA, Accelerated
GStreamer (L4T 36); Rockchip, gstreamer-rockchip; GStreamer 1.22, v4l2codecs, libav, openh264, libde265."""
CAMERAS = (
    ("nvarguscamerasrc", "nvarguscamerasrc ! nvvidconv ! video/x-raw,format=NV12"),
    ("v4l2src", "v4l2src"),
)
_MATRICES = {3: "709", 4: "601", 6: "2020"}
"""GstVideoColorMatrix."""
_RANGES = {1: "full", 2: "limited"}
"""GstVideoColorRange."""
_SITINGS = {1: "centre", 2: "left", 6: "top_left"}
"""GstVideoChromaSite: flags of what chroma's samples lie upon."""


def fill(launch: str, codec: str, decoder: str, is_there: Callable[[str], bool]) -> tuple[str, list[str]]:
    """A launch line with its `{decoder}` and `{camera}` put in, and the names of what was chosen.

    Raises:
        ValueError: the board has none of them.
    """
    chosen: list[str] = []
    for place, known in (("{decoder}", DECODERS[codec]), ("{camera}", CAMERAS)):
        if place not in launch:
            continue
        wanted = decoder if place == "{decoder}" and decoder != "auto" else ""
        usable = [(name, use) for name, use in known if is_there(name) and wanted in ("", name)]
        if wanted and not usable and is_there(wanted):
            usable = [(wanted, wanted)]
        if not usable:
            tried = wanted or ", ".join(name for name, _ in known)
            raise ValueError(f"GStreamer here has no {tried}")
        chosen.append(usable[0][0])
        launch = launch.replace(place, usable[0][1])
    return launch, chosen


class Sender:
    """Copies pictures into slots."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._free = list(range(SLOTS))
        self._memory: int | None = None
        """Its descriptor."""
        self._caps: dict[str, Any] = {}

    def wait_for_room(self) -> bool:
        """Take back what the worker is done with; False while nothing is free."""
        self._line.settimeout(0 if self._free else _LOOK_S)
        try:
            given = self._line.recv(4096)
        except (BlockingIOError, TimeoutError):
            return bool(self._free)
        if not given:
            sys.exit(0)  # the worker is gone
        self._free += given
        return True

    def send(self, data: Any, caps: dict[str, Any], stamp_s: float | None, overtaken: int) -> None:
        """One picture, and how many were dropped before it; changed caps end this process: the worker asks anew."""
        memory = self._begin(caps) if self._memory is None else self._memory
        if caps != self._caps:
            raise ValueError("the pipeline changed its caps")
        slot = self._free.pop()
        # Writing to a mapping holds the interpreter's lock for the whole picture, and the pipeline's thread needs it.
        with memoryview(data) as picture:
            os.pwrite(memory, picture[: caps["bytes"]], slot * caps["bytes"])
        self._say({"slot": slot, "stamp_s": stamp_s, "at_s": time.monotonic(), "overtaken": overtaken})

    def fail(self, reason: str) -> None:
        """The last word."""
        self._say({"error": reason[:2000]})

    def _begin(self, caps: dict[str, Any]) -> int:
        self._caps = caps
        fd = os.memfd_create("edgekit-frames")
        os.ftruncate(fd, SLOTS * caps["bytes"])
        socket.send_fds(self._line, [json.dumps({"caps": {**caps, "slots": SLOTS}}).encode()], [fd])
        self._memory = fd
        return fd

    def _say(self, message: dict[str, Any]) -> None:
        self._line.settimeout(None)
        self._line.send(json.dumps(message).encode())


def run(line: socket.socket) -> None:
    """Play until the pipeline ends or the worker is gone."""
    sender = Sender(line)
    try:
        import gi  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  none on a workstation

        gi.require_version("Gst", "1.0")
        gi.require_version("GstVideo", "1.0")
        from gi.repository import Gst, GstVideo  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except (ImportError, ValueError) as error:
        packages = "python3-gi python3-gst-1.0 gir1.2-gst-plugins-base-1.0"
        sender.fail(f"GStreamer's Python is not here ({error}): apt-get install {packages}")
        return
    Gst.init(None)
    request = json.loads(line.recv(1 << 20))
    try:
        find = Gst.ElementFactory.find
        text, chosen = fill(
            request["launch"], request["codec"], request["decoder"], lambda name: find(name) is not None
        )
        pipeline = Gst.parse_launch(text)
        sinks = [one for one in pipeline.iterate_sinks() if one.get_factory().get_name() == "appsink"]
        if len(sinks) != 1:
            raise ValueError(f"expected one appsink, found {len(sinks)}")
        Player(Gst, GstVideo, sender, chosen).play(pipeline, sinks[0])
    except Exception as error:
        sender.fail(str(error))


class Newest:
    """The newest sample that nobody has taken; those whose place it took are counted, which appsink does not do."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sample: Any = None
        self._overtaken = 0

    def put(self, sample: Any) -> None:
        """From the pipeline's thread; never waits for long."""
        with self._changed:
            self._overtaken += self._sample is not None
            self._sample = sample
            self._changed.notify()

    def take(self, seconds: float) -> tuple[Any, int]:
        """It, and how many older ones were dropped since the last time; None where none comes in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._sample is not None, seconds):
                return None, 0
            taken = self._sample, self._overtaken
            self._sample, self._overtaken = None, 0
            return taken


class Player:
    """Takes pictures out of a pipeline."""

    def __init__(self, gst: Any, video: Any, sender: Sender, chosen: list[str]) -> None:
        self._gst, self._video, self._sender, self._chosen = gst, video, sender, chosen
        self._newest = Newest()

    def play(self, pipeline: Any, sink: Any) -> None:
        """Send pictures for ever.

        Raises:
            ValueError: the pipeline ended or failed, or gives what cannot be sent.
        """
        gst = self._gst
        for key, value in (("max-buffers", 1), ("drop", True), ("sync", False), ("emit-signals", True)):
            sink.set_property(key, value)
        sink.set_property("caps", gst.Caps.from_string("video/x-raw,format=(string){NV12,NV21,I420}"))
        sink.connect("new-sample", self._arrive)
        bus = pipeline.get_bus()
        pipeline.set_state(gst.State.PLAYING)
        try:
            while True:
                self._check(bus.pop_filtered(gst.MessageType.ERROR | gst.MessageType.EOS))
                if self._sender.wait_for_room():
                    sample, overtaken = self._newest.take(_LOOK_S)
                    if sample is not None:
                        self._send(sample, overtaken)
        finally:
            pipeline.set_state(gst.State.NULL)

    def _arrive(self, sink: Any) -> Any:
        sample = sink.emit("pull-sample")
        if sample is not None:
            self._newest.put(sample)
        return self._gst.FlowReturn.OK

    def _check(self, message: Any) -> None:
        if message is None:
            return
        if message.type == self._gst.MessageType.EOS:
            raise ValueError("the pipeline ended")
        raise ValueError(message.parse_error()[0].message)

    def _send(self, sample: Any, overtaken: int) -> None:
        buffer = sample.get_buffer()
        done, info = buffer.map(self._gst.MapFlags.READ)
        if not done:
            raise ValueError("a picture cannot be read: put nvvidconv or videoconvert before the appsink")
        try:
            stamp_s = None if buffer.pts == self._gst.CLOCK_TIME_NONE else buffer.pts / self._gst.SECOND
            self._sender.send(info.data, self._caps(sample, buffer), stamp_s, overtaken)
        finally:
            buffer.unmap(info)

    def _caps(self, sample: Any, buffer: Any) -> dict[str, Any]:
        """What a picture is: its format, size, where its planes lie, its colours."""
        info = self._video.VideoInfo.new_from_caps(sample.get_caps())
        meta = self._video.buffer_get_video_meta(buffer)  # hardware pads rows as it likes
        planes = info.finfo.n_planes
        return {
            "format": info.finfo.name,
            "width_px": info.width,
            "height_px": info.height,
            "fps": info.fps_n / info.fps_d if info.fps_d else 0.0,
            "offsets": list((meta or info).offset[:planes]),
            "strides": list((meta or info).stride[:planes]),
            "matrix": _MATRICES.get(int(info.colorimetry.matrix)),
            "range": _RANGES.get(int(info.colorimetry.range)),
            "siting": _SITINGS.get(int(info.chroma_site), "unknown"),
            "bytes": buffer.get_size(),
            "chosen": self._chosen,
        }


if __name__ == "__main__":
    run(socket.socket(fileno=int(sys.argv[1])))
