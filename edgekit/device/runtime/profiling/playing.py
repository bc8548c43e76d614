"""Plays one clip through a release's pipeline, and measures: every call, every thread, memory and pictures in use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.device.runtime.arguments import Arguments
from edgekit.device.runtime.graph import plan_graph
from edgekit.device.runtime.pipeline import Pipeline, open_ends
from edgekit.device.runtime.profiling.resident import cpu_by_thread, resident
from edgekit.device.runtime.profiling.samples import ArrivalFigures, Sample, SampledFigures, cost_of
from edgekit.device.runtime.reporting import RunningReports
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.device.runtime.streams import quantile
from edgekit.errors import InputError
from edgekit.schema.message import to_line
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import DECODE, SizeProfile
from edgekit.schema.source import FileSource
from edgekit.stage import StreamInfo

_WARM_S = 1.0
_LOOK_EVERY_S = 0.02
_LEAST_FRAMES = 8
_MORE, _MORE_S = 2, 3.0
_REPORT_EVERY_S = 1.0
_UNDISTURBED = 0.1
"""What latency has beside the stages is taken from the quickest frames: that is the kernel's, not a neighbour's."""


def with_clip(plan: WorkerPlan, clip: str) -> WorkerPlan:
    """A plan with a clip, below the release's or an absolute path, in place of all its sources.

    The clip has the first source's name, so that whatever names that one finds it.
    """
    name, first = next(iter(plan.sources.items()))
    source = FileSource(kind="file", path=clip, lane=first.lane, max_fps=first.max_fps)
    return replace(plan, sources={name: source})


def with_more(plan: WorkerPlan) -> WorkerPlan:
    """A plan of one source with `_MORE` further ones like it."""
    name, source = next(iter(plan.sources.items()))
    return replace(plan, sources={name: source, **{f"{name}+{k + 1}": source for k in range(_MORE)}})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlayer:
    """Plays clips."""

    release: Path
    work: Path
    runners: Mapping[str, object]
    seconds: float
    patience_s: float
    """For the first frames."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def play(self, plan: WorkerPlan, about: str) -> SizeProfile:
        """Play a plan of one source, and then for a moment several of it: what one more of it takes is measured too.

        Args:
            plan: whose source is what is played.
            about: that, in words.

        Raises:
            InputError: the pipeline cannot be made, or fails, or gives too few frames.
        """
        pipeline, figures, watched = self._played(plan, self.seconds)
        if len(figures.latencies_s) < _LEAST_FRAMES:
            raise InputError(
                f"only {len(figures.latencies_s)} frames of {about} came through in {self.seconds:g} s",
                hint="measure for longer: --seconds 60",
            )
        _, _, several = self._played(with_more(plan), min(self.seconds, _MORE_S))
        found = _profile_of(plan, pipeline, figures, watched, about)
        return replace(found, stream_bytes=max(0, several.memory_bytes - watched.memory_bytes) // _MORE)

    def _played(self, plan: WorkerPlan, seconds: float) -> tuple[Pipeline, ArrivalFigures, _Observed]:
        figures = ArrivalFigures(self.clock)
        factory = StageFactory(plan, self.release, self.runners)  # type: ignore[arg-type]
        ends = open_ends(factory, Arguments(release=self.release, work=self.work), figures)
        pipeline = Pipeline(factory, ends, figures, self.clock, of_thread=SampledFigures)
        pipeline.start()
        try:
            watched = self._watch(pipeline, figures, seconds)
        finally:
            pipeline.stop()
        return pipeline, figures, watched

    def _watch(self, pipeline: Pipeline, figures: ArrivalFigures, seconds: float) -> _Observed:
        """Let it warm up, then note what it takes, until its time is over. Raises InputError where it fails."""
        began_s = self.clock()
        while len(figures.latencies_s) < _LEAST_FRAMES or self.clock() - began_s < _WARM_S:
            self._look(pipeline)
            if self.clock() - began_s > self.patience_s:
                raise InputError(
                    f"too few frames came through in {self.patience_s:g} s",
                    hint="see in its log which stage drops them or fails: edgekit logs DEVICE",
                )
            if pipeline.ended:
                break
        for worker in pipeline.workers:
            if isinstance(worker.figures, SampledFigures):
                worker.figures.samples = {}
        figures.latencies_s.clear()
        before, start_s = cpu_by_thread(), self.clock()
        reports, reported, report_s = RunningReports(pipeline, "", self.clock), 0, 0.0
        memory_bytes = pictures = 0
        while self.clock() - start_s < seconds and not pipeline.ended:
            self._look(pipeline)
            if self.clock() - start_s > reported * _REPORT_EVERY_S:
                began_cpu_s, reported = time.thread_time(), reported + 1
                to_line(reports.make())  # as a worker's reporter does, beside the lanes
                report_s += time.thread_time() - began_cpu_s
            memory_bytes = max(memory_bytes, resident().own_bytes)
            pictures = max(pictures, *(feed.leases.held for feed in pipeline.feeds))
        after, passed_s = cpu_by_thread(), max(self.clock() - start_s, 1e-3)
        used = {tid: seconds - before.get(tid, 0.0) for tid, seconds in after.items()}
        used[os.getpid()] = report_s  # this thread's other work is the measuring
        return _Observed(used_s=used, passed_s=passed_s, memory_bytes=memory_bytes, pictures=pictures)

    def _look(self, pipeline: Pipeline) -> None:
        self.sleep(_LOOK_EVERY_S)
        if (failure := pipeline.failure) is not None:
            raise InputError(failure.message, hint=failure.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observed:
    """What was seen from outside."""

    used_s: Mapping[int, float]
    passed_s: float
    memory_bytes: int
    pictures: int


def _profile_of(
    plan: WorkerPlan, pipeline: Pipeline, figures: ArrivalFigures, watched: _Observed, about: str
) -> SizeProfile:
    samples: dict[str, list[Sample]] = {}
    overheads_ms: dict[str, float] = {}
    known = set()
    for worker in pipeline.workers:
        assert isinstance(worker.figures, SampledFigures)
        lane = DECODE if worker in pipeline.feeds else worker.name.rpartition(".")[0] or worker.name
        for stage, some in worker.figures.samples.items():
            samples.setdefault(stage, []).extend(some)
        calls = max((len(some) for some in worker.figures.samples.values()), default=0)
        inside_s = sum(one.cpu_s for some in worker.figures.samples.values() for one in some)
        known.add(worker.thread.tid)
        if calls:
            overhead_s = max(0.0, watched.used_s.get(worker.thread.tid, 0.0) - inside_s) / calls
            overheads_ms[lane] = max(overheads_ms.get(lane, 0.0), round(overhead_s * 1000, 4))
    beside_s = sum(seconds for tid, seconds in watched.used_s.items() if tid not in known)
    stream = next(iter(figures.streams.values()))
    assert stream.info is not None, "a frame has come"
    latencies = sorted(figures.latencies_s)
    on_accelerators = _waiting_stages(plan)
    costs = {stage: cost_of(some, waits=stage in on_accelerators) for stage, some in samples.items()}
    return SizeProfile(
        **_size(stream.info),
        codec=stream.info.codec,
        fps=round(len(latencies) / watched.passed_s, 3),
        clip=about,
        frames=len(latencies),
        costs=costs,
        overheads_ms=overheads_ms,
        beside_ms=round(beside_s / watched.passed_s * 1000, 4),
        handoff_ms=_handoff_ms(plan, samples, latencies),
        p50_ms=round(quantile(latencies, 0.5) * 1000, 3),
        p99_ms=round(quantile(latencies, 0.99) * 1000, 3),
        memory_bytes=watched.memory_bytes,
        pictures=watched.pictures,
    )


def _size(info: StreamInfo) -> dict[str, int]:
    return {"width_px": max(1, info.spec.width_px), "height_px": max(1, info.spec.height_px)}


def _waiting_stages(plan: WorkerPlan) -> frozenset[str]:
    """Stages that sleep until an accelerator is done: ONNX Runtime computes on the thread that calls it."""
    return frozenset(
        stage.name for stage in plan.stages if stage.engine and plan.engines[stage.engine].runner != "onnxruntime"
    )


def _handoff_ms(plan: WorkerPlan, samples: Mapping[str, list[Sample]], latencies: list[float]) -> float:
    """What is left of the usual latency when its stages are taken away, for each lane on the way."""
    graph = plan_graph(plan)
    first = next((node for node in graph.lanes if node.sinks), graph.lanes[-1])
    way = [name for node in graph.lanes if node.stages for name in node.stages] + list(first.sinks[:1])
    waiting = _waiting_stages(plan)
    inside_s = 0.0
    for name in way:
        if some := samples.get(name):
            times = sorted(one.wall_s if name in waiting else one.cpu_s for one in some)
            inside_s += quantile(times, _UNDISTURBED)
    lanes = len([node for node in graph.lanes if node.stages]) or 1
    return round(max(0.0, quantile(latencies, _UNDISTURBED) - inside_s) / lanes * 1000, 4)
