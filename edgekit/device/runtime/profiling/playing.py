"""Plays one clip through a release's pipeline, and measures: every call, every thread, memory and pictures in use."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path

from edgekit.device.runtime.arguments import Arguments
from edgekit.device.runtime.interpreter import Collector, settled
from edgekit.device.runtime.pipeline import Pipeline, open_ends
from edgekit.device.runtime.profiling.as_camera import StandInCameras
from edgekit.device.runtime.profiling.handoffs import handoffs
from edgekit.device.runtime.profiling.played import Observed, Played, costs_of_meeting, size_profile
from edgekit.device.runtime.profiling.resident import cpu_by_thread, resident
from edgekit.device.runtime.profiling.samples import ArrivalFigures, SampledFigures
from edgekit.device.runtime.reporting import RunningReports
from edgekit.device.runtime.sources.opening import open_source
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.errors import InputError
from edgekit.schema.message import to_line
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import MAX_SECONDS, SizeProfile
from edgekit.schema.source import FileSource

_WARM_S = 1.0
_LOOK_EVERY_S = 0.02
_LEAST_FRAMES = 8
_MORE = 2
_REPORT_EVERY_S = 1.0
_SEE_LOG = "see in its log which stage drops them or fails: edgekit logs DEVICE"


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
    """For one stream, and again for several."""
    patience_s: float
    """For each of the first frames: a camera may be slow."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def play(self, plan: WorkerPlan, about: str, *, as_camera: bool = False) -> SizeProfile:
        """Play a plan of one source, and then as long several of it: what one more of it takes is measured too, and
        what frames cost that meet others.

        Args:
            plan: whose source is what is played.
            about: that, in words.
            as_camera: whether it is a clip that stands in for a camera.

        Raises:
            InputError: the pipeline cannot be made, or fails, or gives too few frames.
        """
        one = self._played(plan, as_camera=as_camera)
        if len(one.figures.latencies_s) < _LEAST_FRAMES:
            raise self._too_few(about, len(one.figures.latencies_s), one.seen)
        size = size_profile(one, about)
        apart_s = min(size.p50_ms / 1000, 1 / size.fps / 2)  # in the end: a picture comes as another's way ends
        several = self._played(with_more(plan), as_camera=as_camera, drift=apart_s / self.seconds)
        return replace(
            size,
            stream_bytes=max(0, several.seen.memory_bytes - one.seen.memory_bytes) // _MORE,
            met=costs_of_meeting(several),
            handoffs=handoffs(one, several),
        )

    def _too_few(self, about: str, come: int, seen: Observed) -> InputError:
        """Why it is no profile, with what cures it: the first frames, which are enough, tell how long it takes."""
        if seen.passed_s < self.seconds:
            return InputError(f"{about} ended before enough frames came through", hint="measure with --clip FILE")
        longer_s = ceil(1.5 * seen.warm_s)
        if longer_s <= self.seconds:
            hint = _SEE_LOG  # the first came sooner
        elif longer_s <= MAX_SECONDS:
            hint = f"measure for longer: --seconds {longer_s}"
        else:
            hint = "measure with more pictures a second: --clip FILE"
        return InputError(f"only {come} frames of {about} came through in {self.seconds:g} s", hint=hint)

    def _played(self, plan: WorkerPlan, *, as_camera: bool, drift: float = 0.0) -> Played:
        figures, cameras, company = ArrivalFigures(self.clock), StandInCameras(drift), list[SampledFigures]()
        factory = StageFactory(plan, self.release, self.runners)  # type: ignore[arg-type]
        arguments = Arguments(release=self.release, work=self.work)
        ends = open_ends(factory, arguments, figures, cameras.open if as_camera else open_source)
        of_thread = partial(SampledFigures, company=company)
        pipeline = Pipeline(factory, ends, figures, self.clock, of_thread=of_thread)
        pipeline.start()
        try:
            with settled(pipeline.is_busy) as collector:
                seen = self._watch(pipeline, figures, collector)
        finally:
            pipeline.stop()
        keys = next((tuple(clip.keys) for clip in cameras.clips.values()), ())
        return Played(plan=plan, pipeline=pipeline, figures=figures, seen=seen, keys=keys)

    def _watch(self, pipeline: Pipeline, figures: ArrivalFigures, collector: Collector) -> Observed:
        """Let it warm up, then note what it takes, until its time is over. Raises InputError where it fails."""
        began_s = came_s = self.clock()
        come = 0
        while come < _LEAST_FRAMES or self.clock() - began_s < _WARM_S:
            self._look(pipeline)
            if len(figures.latencies_s) > come:
                come, came_s = len(figures.latencies_s), self.clock()
            if self.clock() - came_s > self.patience_s:
                raise InputError(
                    f"after {come} frames none came through in {self.patience_s:g} s",
                    hint=_SEE_LOG,
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
        while self.clock() - start_s < self.seconds and not pipeline.ended:
            self._look(pipeline)
            collector.look()
            if self.clock() - start_s > reported * _REPORT_EVERY_S:
                began_cpu_s, reported = time.thread_time(), reported + 1
                to_line(reports.make())  # as a worker's reporter does, beside the lanes
                report_s += time.thread_time() - began_cpu_s
            memory_bytes = max(memory_bytes, resident().own_bytes)
            pictures = max(pictures, *(feed.leases.held for feed in pipeline.feeds))
        after, passed_s = cpu_by_thread(), max(self.clock() - start_s, 1e-3)
        used = {tid: seconds - before.get(tid, 0.0) for tid, seconds in after.items()}
        used[os.getpid()] = report_s  # this thread's other work is the measuring
        warm_s = start_s - began_s
        return Observed(used_s=used, warm_s=warm_s, passed_s=passed_s, memory_bytes=memory_bytes, pictures=pictures)

    def _look(self, pipeline: Pipeline) -> None:
        self.sleep(_LOOK_EVERY_S)
        if (failure := pipeline.failure) is not None:
            raise InputError(failure.message, hint=failure.hint)
