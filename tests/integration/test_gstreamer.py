"""A GStreamer pipeline in a process of its own: pictures come over without a copy, and it may end as it likes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import StreamLost, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.gstreamer import PipelineConnection, pipeline_camera
from edgekit.device.runtime.sources.gstreamer_child import SLOTS
from edgekit.device.runtime.sources.live import CameraLost, Shot
from edgekit.imaging.image import Yuv420Image
from edgekit.schema.source import GstreamerSource
from edgekit.stage import Frame
from tests.fakes.clock import Clock

pytestmark = pytest.mark.integration
CAPS = "video/x-raw,format={format},width=322,height=178,framerate=20/1,colorimetry=bt709"


def source(launch: str, **more: object) -> GstreamerSource:
    given: dict[str, object] = {"connect_s": 60.0, "stall_s": 30.0, "backoff_s": 0.2, **more}
    return GstreamerSource(kind="gstreamer", lane="l", launch=launch, **given)  # type: ignore[arg-type]


def figures() -> LaneFigures:
    return LaneFigures("l", Clock())


def shots(connection: PipelineConnection) -> Iterator[Shot]:
    return (shot for shot in connection.shots(figures()) if shot is not None)


@pytest.mark.parametrize("pixel_format", ["NV12", "I420"])
def test_pictures_are_what_the_pipeline_makes(pixel_format: str) -> None:
    """A line of one colour; 322 is no multiple of what rows are padded to."""
    caps = CAPS.format(format=pixel_format)
    line = f"videotestsrc is-live=true pattern=solid-color foreground-color=0xff0000ff ! {caps} ! appsink"
    connection = PipelineConnection("gate", source(line))
    try:
        shot = next(shots(connection))
        assert isinstance(shot.image, Yuv420Image)
        assert (connection.info.fps, connection.info.spec.colours) == (20.0, "BT.709 limited")
        planes = (shot.image.y, shot.image.u, shot.image.v)
        assert [plane.shape for plane in planes] == [(178, 322), (89, 161), (89, 161)]
        means = [float(plane.mean()) for plane in planes]
        assert means == pytest.approx([32, 240, 118], abs=2), "blue by BT.709"
        assert not any(plane.flags.writeable or plane.flags.owndata for plane in planes)
    finally:
        connection.close()
    assert float(shot.image.y.mean()) == means[0], "who holds a picture keeps it, also when all else has ended"


def test_pictures_that_are_held_are_not_written_over_and_come_back() -> None:
    line = f"videotestsrc is-live=true pattern=snow ! {CAPS.format(format='I420')} ! appsink"
    connection = PipelineConnection("gate", source(line))
    try:
        coming = shots(connection)
        held = list(islice(coming, SLOTS))
        copies = [shot.image.y.copy() for shot in held if isinstance(shot.image, Yuv420Image)]
        assert all(np.array_equal(s.image.y, c) for s, c in zip(held, copies, strict=True))  # type: ignore[union-attr]
        del held[:2]  # `coming` itself holds one more
        for _ in range(3 * SLOTS):
            next(coming)
        assert all(np.array_equal(s.image.y, c) for s, c in zip(held, copies[2:], strict=True))  # type: ignore[union-attr]
    finally:
        connection.close()


def test_pictures_that_nobody_takes_in_time_are_counted() -> None:
    line = f"videotestsrc is-live=true ! {CAPS.format(format='I420')} ! appsink"
    connection = PipelineConnection("gate", source(line))
    try:
        coming = shots(connection)
        held = list(islice(coming, SLOTS))
        overtaken = 0
        for _ in range(100):
            time.sleep(0.15)  # three pictures, and no slot is free for them
            del held[0]
            held.append(next(coming))
            overtaken += held[-1].overtaken
            if overtaken:
                break
        assert overtaken
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("no_such_element ! appsink", 'no element "no_such_element"'),
        ("videotestsrc num-buffers=2 ! appsink name=a videotestsrc ! appsink name=b", "expected one appsink, found 2"),
        ("videotestsrc num-buffers=3 ! appsink", "the pipeline ended"),
        ("filesrc location=/no/such/file ! decodebin ! appsink", "Resource not found."),
    ],
)
def test_a_pipeline_that_fails_says_why(line: str, reason: str) -> None:
    connection = PipelineConnection("gate", source(line, matrix="601", range="limited"))
    with pytest.raises(CameraLost, match=reason) as caught:
        list(connection.shots(figures()))
    connection.close()
    assert caught.value.state == "down"


def test_a_pipeline_that_gives_nothing_is_stalled_and_one_that_is_killed_comes_back() -> None:
    line = f"videotestsrc is-live=true pattern=snow ! {CAPS.format(format='I420')} ! appsink"
    camera = pipeline_camera("gate", source(line, stall_s=1.0))
    kinds: list[str] = []
    for entry in camera.entries(figures()):
        kinds.append(type(entry).__name__)
        if isinstance(entry, Frame) and kinds.count("Frame") == 3:
            os.kill(_child_of(os.getpid()), signal.SIGKILL)
        if isinstance(entry, Frame) and kinds.count("Frame") == 30:
            os.kill(_child_of(os.getpid()), signal.SIGSTOP)
        if kinds.count("StreamLost") == 2:
            assert isinstance(entry, StreamLost) and (entry.state, entry.reason) == ("stalled", "no picture for 1 s")
            camera.stop()
        if isinstance(entry, StreamRestarted):
            assert entry.again == "reconnect" and "ended" in entry.reason
        del entry
    assert kinds[0] == StreamStarted.__name__ and kinds.count("StreamRestarted") == 1


def _child_of(pid: int) -> int:
    """The process that runs the pipeline: our child by its command line."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"gstreamer_child" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    raise AssertionError("no child")
