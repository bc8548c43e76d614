"""Eight 1080p cameras of a real RTSP server in one worker, beside ffmpeg, which decodes the same streams to nothing.

Both are connected for the whole run, to the same streams, each decoder with one thread; CPU time is taken of windows in
which both are at work. The worker does what it always does: colours, frozen pictures, lanes, a sink, a report a second.
The run is as long as there are rounds: more of them (`ROUNDS=60`) make the slope of its memory certain.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.process.growth import growth
from edgekit.schema.plan import LanePlan
from edgekit.schema.report import StreamReport
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import RtspSource
from measure import Figure, machine, spread
from tests.fakes.cameras import RtspServer, rtsp_server
from tests.fakes.clips import write_scene
from tests.fakes.eventually import eventually
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import small_plan
from tests.fakes.vitals import cpu_s, rss_mib

CAMERAS, FPS, WINDOW_S = 8, 10, 10.0


def figures(rounds: int) -> list[Figure]:
    """CPU a frame against ffmpeg's; the slope of the worker's memory."""
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
        clip = write_scene(Path(folder, "scene.h264"), 1920, 1080, 6 * FPS, fps=FPS)
        with rtsp_server(*[str(clip)] * CAMERAS) as server, FfmpegPeer(server) as peer:
            worker = WatchedWorker(Path(folder), server)
            try:
                return _measure(worker, peer, rounds)
            finally:
                worker.close()


@dataclass(frozen=True, slots=True)
class Work:
    """What a process has done so far."""

    frames: int
    used_s: float

    def cost_ms(self, before: Work) -> float:
        """CPU a frame since then."""
        return 1000 * (self.used_s - before.used_s) / (self.frames - before.frames)


class WatchedWorker(PlanWorker):
    """A worker with all cameras, and what it took at each of its reports."""

    def __init__(self, folder: Path, server: RtspServer) -> None:
        sources = {
            f"cam{k}": RtspSource(kind="rtsp", url=server.url(k), lane="all", connect_s=20.0) for k in range(CAMERAS)
        }
        lane = LanePlan(cpus=tuple(sorted(os.sched_getaffinity(0))), queue=2, drop="block")
        sink = JsonlSink(kind="jsonl", path="lines.jsonl", lane="all")
        super().__init__(folder, small_plan(sources=dict(sources), sinks={"lines": sink}, lanes={"all": lane}), {})
        self.work = Work(0, 0.0)
        self.memory: list[tuple[float, float]] = []
        self.until(lambda streams: all(one.fps > FPS / 2 for one in streams.values()))

    def go_on(self, seconds: float) -> None:
        """Let it work for some time."""
        until_s = time.monotonic() + seconds
        self.until(lambda streams: self._look(streams) > until_s)

    def _look(self, streams: dict[str, StreamReport]) -> float:
        pid = self.process.pid
        self.work = Work(sum(one.frames for one in streams.values()), cpu_s(pid))
        self.memory.append((time.monotonic(), rss_mib(pid)))
        return time.monotonic()


class FfmpegPeer:
    """An ffmpeg for each camera: one for all opens them one after the other, and loses the first ones meanwhile."""

    def __init__(self, server: RtspServer) -> None:
        self._each = [Work(0, 0.0)] * CAMERAS
        argv = ["ffmpeg", "-nostdin", "-loglevel", "error", "-progress", "pipe:1", "-stats_period", "1"]
        argv += ["-threads", "1", "-rtsp_transport", "tcp", "-i"]
        self._processes = [
            subprocess.Popen([*argv, server.url(k), "-f", "null", "-"], stdout=subprocess.PIPE, text=True)
            for k in range(CAMERAS)
        ]
        self._readers = [threading.Thread(target=self._read, args=(k,), daemon=True) for k in range(CAMERAS)]

    def __enter__(self) -> FfmpegPeer:
        for reader in self._readers:
            reader.start()
        eventually(lambda: all(one.frames > FPS for one in self._each))
        return self

    def __exit__(self, *_: object) -> None:
        for process, reader in zip(self._processes, self._readers, strict=True):
            process.terminate()
            process.wait(20)
            reader.join(20)

    @property
    def work(self) -> Work:
        """Of all of them."""
        return Work(sum(one.frames for one in self._each), sum(one.used_s for one in self._each))

    def _read(self, camera: int) -> None:
        process = self._processes[camera]
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("frame="):
                self._each[camera] = Work(int(line.removeprefix("frame=")), cpu_s(process.pid))


def _measure(worker: WatchedWorker, peer: FfmpegPeer, rounds: int) -> list[Figure]:
    worker.go_on(WINDOW_S)  # both have begun
    costs, ratios = [], []
    for _ in range(rounds):
        own, theirs = worker.work, peer.work
        worker.go_on(WINDOW_S)
        costs.append(worker.work.cost_ms(own))
        ratios.append(costs[-1] / peer.work.cost_ms(theirs))
    slope = growth(worker.memory)
    return [
        Figure(
            name="cameras_8_cpu_vs_ffmpeg",
            ratio=statistics.median(ratios),
            bar=1.25,
            better="lower",
            against=f"ffmpeg to null; CPU a frame, 1080p, {FPS} fps, one decoder thread a camera",
            median=statistics.median(costs),
            spread=spread(costs),
            unit="ms",
            n=rounds,
            machine=machine(),
        ),
        Figure(
            name="rss_slope_mib_per_h",
            ratio=None,
            bar=1.0,
            better="lower",
            against=f"last {slope.seconds:.0f} s, ±{slope.bound:.2g} with 95 %: {slope.verdict(1.0)}",
            median=slope.per_hour,
            spread=slope.bound,
            unit="MiB/h",
            n=slope.n,
            machine=machine(),
        ),
    ]
