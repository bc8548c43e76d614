"""The worker's pipeline against its slowest stage alone, and against the same stages in one plain loop.

A 1080p H.264 clip is decoded and preprocessed on one lane, a network runs on another, each lane on a CPU of its own.
The peers use the very same objects: source, stages and engine, one thread, no queue, no report.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import StreamEvent
from edgekit.device.runtime.pipeline import Ends, Pipeline
from edgekit.device.runtime.sources.opening import open_source
from edgekit.device.runtime.sources.source import FrameSource
from edgekit.device.runtime.stages.factory import StageFactory, load_runners
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.schema.plan import EnginePlan, LanePlan, StagePlan, WorkerPlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import FileSource
from edgekit.stage import Frame, Stage
from measure import Figure, compared, seconds
from tests.fakes import networks
from tests.fakes.clips import write_scene
from tests.fakes.plans import small_plan

FRAMES = 150
_WIDTH, _SIZE = 2, 640
"""Of the network: as many channels as make it the slowest stage, and pixels of a side."""
_CLIP, _CHANGES = "clip.mp4", 4


def figures(rounds: int) -> list[Figure]:
    """Throughput, as ratios of the times for the same frames."""
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
        bench = PipelineBench(Path(folder), sorted(os.sched_getaffinity(0))[:2])
        bench.loop()
        bench.pipeline()
        times, slowest, loops = [], [], []
        for _ in range(rounds):
            alone = {"decode": bench.decode(), "preprocess": bench.preprocess(), "infer": bench.infer()}
            times.append(bench.pipeline())
            slowest.append(max(alone.values()) / times[-1])
            loops.append(bench.loop() / times[-1])
        bench.close()
    said = ", ".join(f"{name} {1000 * time_s / FRAMES:.1f} ms" for name, time_s in alone.items())
    each = [one / FRAMES for one in times]
    ratio, other = statistics.median(slowest), statistics.median(loops)
    return [
        compared("pipeline_vs_slowest_stage", ratio, each, bar=0.90, better="higher", against=f"the slowest of {said}"),
        compared("pipeline_vs_loop", other, each, bar=1.3, better="higher", against="the same stages in one loop"),
    ]


class PipelineBench:
    """The same source, stages and engine, run in several ways; each way gives its seconds for `FRAMES` frames."""

    def __init__(self, folder: Path, cpus: list[int]) -> None:
        self._folder, self._cpus = folder, cpus
        write_scene(folder / _CLIP, 1920, 1080, FRAMES)
        networks.save(networks.detector(width=_WIDTH, size=_SIZE), folder / "net.onnx")
        self._plan = self._planned()
        self._runners = load_runners(self._plan, folder)
        self._stages = self._make_stages()
        self._some = list(islice(self._frames(), _CHANGES))

    def pipeline(self) -> float:
        """All of it, as a worker runs it."""
        figures, sink = PipelineFigures(), CountingSink()
        factory = StageFactory(self._plan, self._folder, self._runners)
        ends = Ends(sources={"clip": self._open()}, sinks={"count": sink})
        pipeline = Pipeline(factory, ends, figures)
        began_s = time.perf_counter()
        pipeline.start()
        for lane in pipeline.lanes:
            lane.ended.wait()
        took_s = time.perf_counter() - began_s
        pipeline.stop()
        assert sink.count == FRAMES, (sink.count, pipeline.drops())
        return took_s

    def loop(self) -> float:
        """All of it on this thread."""
        scale, see = self._stages
        with self._pinned(self._cpus[0]):
            return seconds(lambda: [see(scale(frame)) for frame in self._frames()])

    def decode(self) -> float:
        """The source alone."""
        with self._pinned(self._cpus[0]):
            return seconds(lambda: sum(1 for _ in self._frames()))

    def preprocess(self) -> float:
        """One stage alone, on a few pictures in turn."""
        with self._pinned(self._cpus[0]):
            return seconds(lambda: [self._stages[0](frame) for frame in islice(cycle(self._some), FRAMES)])

    def infer(self) -> float:
        """The engine alone."""
        inputs = self._stages[0](self._some[0]).results["net"].inputs

        def again() -> None:
            result = self._some[0].result("net")
            for _ in range(FRAMES):
                result.inputs = inputs
                self._stages[1](self._some[0])

        with self._pinned(self._cpus[-1]):
            return seconds(again)

    def close(self) -> None:
        for runner in self._runners.values():
            runner.close()

    def _planned(self) -> WorkerPlan:
        contract = ColourContract(
            width_px=_SIZE, height_px=_SIZE, order="RGB", scale=1 / 255, dtype="float32", fit="letterbox"
        )
        first, second = self._cpus[0], self._cpus[-1]
        return small_plan(
            StagePlan(name="scale", kind="preprocess", lane="decode", engine="net", entry="", options={}),
            StagePlan(name="see", kind="infer", lane="infer", engine="net", entry="", options={}),
            engines={"net": EnginePlan(runner="onnxruntime", path="net.onnx", input=contract, threads=1)},
            sources={"clip": FileSource(kind="file", path=_CLIP, lane="decode", pace="fast", loops=1)},
            sinks={"count": JsonlSink(kind="jsonl", path="-", lane="infer")},
            lanes={
                "decode": LanePlan(cpus=(first,), queue=2, drop="block"),
                "infer": LanePlan(cpus=(second,), queue=2, drop="block"),
            },
        )

    def _open(self) -> FrameSource:
        return open_source("clip", self._plan.sources["clip"], self._folder)

    def _make_stages(self) -> list[Stage]:
        factory, source = StageFactory(self._plan, self._folder, self._runners), self._open()
        assert source.info is not None
        made = [factory.make(stage, source.info) for stage in self._plan.stages]
        source.close()
        return made

    def _frames(self) -> Iterator[Frame]:
        source = self._open()
        for entry in source.entries(LaneFigures("loop", time.monotonic)):
            if isinstance(entry, Frame):
                yield entry
            del entry
        source.close()

    @contextmanager
    def _pinned(self, cpu: int) -> Iterator[None]:
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cpu})
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)


class CountingSink:
    """Counts frames."""

    def __init__(self) -> None:
        self.count = 0

    def take(self, frame: Frame) -> None:
        self.count += 1

    def follow(self, event: StreamEvent) -> None:
        pass

    def close(self) -> None:
        pass
