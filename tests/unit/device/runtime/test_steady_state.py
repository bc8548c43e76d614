"""A pipeline that runs leaves nothing behind with each frame, and copies no picture on its way."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.runtime.pipeline import Ends, Pipeline
from edgekit.device.runtime.sources.file import ClipReader
from edgekit.device.runtime.sources.pace import Pace
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.imaging.image import Yuv420Image
from edgekit.schema.source import FileSource
from edgekit.stage import Frame
from tests.fakes.clips import write_scene
from tests.fakes.clock import Clock
from tests.fakes.pipelines import FakeFactory, FakeSink

WIDTH, HEIGHT, STAGES = 640, 360, 3
PICTURE_BYTES = WIDTH * HEIGHT * 3 // 2


@dataclass
class Bench:
    """A real clip through three lanes of one stage each, a frame at a time."""

    pipeline: Pipeline
    clock: Clock
    seen: list[int]

    def turn(self, entries: Iterator[object]) -> None:
        self.clock.advance(1.0)  # so the windows of figures, a minute at most, are full soon
        assert self.pipeline.feeds[0].turn(entries)  # type: ignore[arg-type]
        while any(lane.turn() for lane in self.pipeline.lanes):
            pass


class ForgetfulSink(FakeSink):
    """Remembers nothing, unlike its parent."""

    def take(self, frame: Frame) -> None:
        assert isinstance(frame.image, Yuv420Image)


def bench(folder: Path) -> Bench:
    write_scene(folder / "clip.mp4", WIDTH, HEIGHT, 30)
    clock, seen = Clock(), [0]

    def look(frame: Frame) -> Frame:
        assert isinstance(frame.image, Yuv420Image)
        seen[0] += int(frame.image.y[0, 0]) >= 0
        return frame

    acts = {f"stage{number}": look for number in range(STAGES)}
    factory = FakeFactory(acts, ["clip"], {"out": "out"}, queue=2)
    source = FileSource(kind="file", path="clip.mp4", lane="camera", pace="fast", loops=0)
    clip = ClipReader("clip", source, folder, pace=Pace("fast", clock))
    pipeline = Pipeline(
        factory, Ends(sources={"clip": clip}, sinks={"out": ForgetfulSink()}), PipelineFigures(clock), clock
    )
    return Bench(pipeline, clock, seen)


def test_nothing_stays_of_a_frame_and_no_picture_is_copied(tmp_path: Path) -> None:
    made = bench(tmp_path)
    entries = made.pipeline.feeds[0].source.entries(made.pipeline.feeds[0].figures)
    frames = 120
    for _ in range(frames):
        made.turn(entries)
    left = []
    for _ in range(5):
        gc.collect()
        blocks = sys.getallocatedblocks()
        for _ in range(frames):
            made.turn(entries)
        gc.collect()
        left.append((sys.getallocatedblocks() - blocks) / frames / STAGES)
    assert min(left) < 0.1, f"{left} objects stay of each frame and stage: what grows does so each time"
    tracemalloc.start()
    try:
        for _ in range(frames):
            made.turn(entries)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(frames):
            made.turn(entries)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / frames < 64, f"{(after - before) / frames:.0f} bytes stay of each frame"
    assert peak - before < PICTURE_BYTES // 4, f"{peak - before} bytes at once: a picture is {PICTURE_BYTES}"
    assert made.seen[0] >= 3 * frames * STAGES and made.pipeline.feeds[0].leases.held == 0
    made.pipeline.stop()
