"""Makes reports of a running pipeline: what the keeper judges, and what `edgekit status` shows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from edgekit.device.runtime.figures import LaneFigures, PressureFigures, SinkFigures
from edgekit.device.runtime.frames.watch import LeaseWatch
from edgekit.device.runtime.metrics import metrics_text
from edgekit.device.runtime.pipeline import Drops, Pipeline
from edgekit.device.runtime.schedule.threads import PinnedThread
from edgekit.device.runtime.server.figures import ServingFigures
from edgekit.device.runtime.sources.feed import Feed
from edgekit.device.runtime.streams import window_of
from edgekit.device.runtime.worker_memory import MemoryTeller
from edgekit.schema.pressure import PressureReport
from edgekit.schema.report import DropReport, LaneReport, Phase, Report, ServingReport, SinkReport, StreamReport

_METRICS_EVERY = 5
_STUCK_S = 5.0
_IN_TROUBLE = frozenset({"stalled", "frozen", "down", "failed"})


class RunningReports:
    """Reports of a running pipeline: busy ratios are since the last one."""

    def __init__(
        self,
        pipeline: Pipeline,
        golden: str,
        clock: Callable[[], float] = time.monotonic,
        memory: MemoryTeller | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._memory = memory or MemoryTeller()
        self._golden = golden
        self._clock = clock
        self._last_s = clock()
        self._busy_s: dict[str, float] = {}
        self._metrics = ""
        self._count = 0
        self._watch = LeaseWatch({feed.leases.stream: feed.leases for feed in pipeline.feeds}, pipeline.pool, clock)

    def make(self, phase: Phase = "running", message: str = "", uptime_s: float = 0.0) -> Report:
        """How it goes."""
        self._watch.look()
        now_s = self._clock()
        passed_s, self._last_s = max(now_s - self._last_s, 1e-3), now_s
        if self._count % _METRICS_EVERY == 0 or phase != "running":
            self._metrics = metrics_text(self._pipeline, self._clock)
        self._count += 1
        figures, drops = self._pipeline.figures, self._pipeline.drops()
        window = figures.window()
        return Report(
            phase=phase,
            message=message or self._trouble(now_s),
            uptime_s=round(uptime_s, 3),
            frames=figures.frames,
            errors=figures.errors,
            error_ratio=round(figures.error_ratio(), 4),
            idle_s=round(self._pipeline.idle_s(), 3),
            fps=round(window.fps, 2),
            p50_ms=round(window.p50_ms, 2),
            p99_ms=round(window.p99_ms, 2),
            golden=self._golden,
            counts=figures.counts,
            score=figures.score,
            lanes=self._lanes(passed_s),
            streams=tuple(self._stream(feed, drops, now_s) for feed in self._pipeline.feeds),
            sinks=tuple(_sink(name, sink) for name, sink in figures.sinks.items()),
            pressure=_pressure(figures.pressure, now_s),
            memory=self._memory.tell(self._pipeline, now_s),
            serving=_serving(figures.serving) if figures.serving is not None else None,
            metrics=self._metrics,
        )

    def _lanes(self, passed_s: float) -> tuple[LaneReport, ...]:
        pipeline = self._pipeline
        feeds = [self._lane(feed.figures, feed.thread, passed_s, 0, {}) for feed in pipeline.feeds]
        lanes: list[LaneReport] = []
        for lane in pipeline.lanes:
            first, *further = lane.threads  # the first one speaks of the queue that they share
            lanes.append(self._lane(first.figures, first.thread, passed_s, len(lane.queues), lane.queues.drops()))
            lanes += [self._lane(one.figures, one.thread, passed_s, 0, {}) for one in further]
        return (*feeds, *lanes)

    def _lane(
        self,
        figures: LaneFigures,
        thread: PinnedThread,
        passed_s: float,
        queue: int,
        waiting_drops: Mapping[tuple[str, str], int],
    ) -> LaneReport:
        busy_s = figures.busy_s
        before_s, self._busy_s[figures.name] = self._busy_s.get(figures.name, 0.0), busy_s
        dropped: dict[str, int] = {}
        for key, count in (*waiting_drops.items(), *list(figures.drops.items())):
            dropped[key[-1]] = dropped.get(key[-1], 0) + count
        return LaneReport(
            name=figures.name,
            tid=thread.tid,
            cpus=_affinity(thread.tid),
            busy_ratio=round(min(1.0, (busy_s - before_s) / passed_s), 3),
            queue=queue,
            dropped=dropped,
        )

    def _stream(self, feed: Feed, drops: Drops, now_s: float) -> StreamReport:
        stream, call, info = feed.stream, feed.figures.call, feed.stream.info
        window = window_of([stream.recent()])
        stuck = call is not None and now_s - call[1] > _STUCK_S
        since_s = call[1] if call is not None and stuck else stream.since_s
        return StreamReport(
            name=stream.name,
            state="stalled" if stuck else stream.state,
            since_s=round(max(0.0, now_s - since_s), 3),  # it may have turned since `now_s`
            message=stream.message,
            cause=stream.cause,
            frames=stream.frames,
            fps=round(window.fps, 2),
            wanted_fps=round(stream.wanted_fps, 2),
            p50_ms=round(window.p50_ms, 2),
            p99_ms=round(window.p99_ms, 2),
            passes=stream.passes,
            reconnects=stream.reconnects,
            codec=info.codec if info else "",
            width_px=info.spec.width_px if info else 0,
            height_px=info.spec.height_px if info else 0,
            colours=info.spec.colours if info else "",
            drops=tuple(
                DropReport(place=place, cause=cause, count=count)
                for (name, place, cause), count in sorted(drops.items())
                if name == stream.name
            ),
        )

    def _trouble(self, now_s: float) -> str:
        """Threads not pinned or stuck in a stage, streams that give nothing, sinks that cannot send."""
        pipeline, pressure = self._pipeline, self._pipeline.figures.pressure
        reasons = [f"memory is tight: goes without {', '.join(pressure.taken)}"] if pressure.taken else []
        reasons += [thread.note for thread in pipeline.threads if thread.note]
        for one in pipeline.workers:
            call = one.figures.call
            if call is not None and now_s - call[1] > _STUCK_S:
                reasons.append(f"lane {one.name}: in stage {call[0]} for {now_s - call[1]:.1f} s")
        reasons += [
            f"stream {stream.name} {stream.state}: {stream.message}"
            for stream in pipeline.figures.streams.values()
            if stream.state in _IN_TROUBLE
        ]
        reasons += [f"sink {name}: {sink.trouble}" for name, sink in pipeline.figures.sinks.items() if sink.trouble]
        if (serving := pipeline.figures.serving) is not None and serving.trouble:
            reasons.append(f"serve: {serving.trouble}")
        return "; ".join(reasons)


def _sink(name: str, sink: SinkFigures) -> SinkReport:
    return SinkReport(
        name=name,
        message=sink.trouble,
        sent=sink.sent,
        waiting=sink.waiting,
        dropped=sink.dropped,
        held_bytes={stream: holder.bytes for stream, holder in sink.held.items()},
    )


def _serving(serving: ServingFigures) -> ServingReport:
    return ServingReport(
        models=tuple(serving.models),
        addresses=serving.addresses,
        message=serving.trouble,
        answered=serving.answered,
        turned_away=serving.turned_away,
        under_way=serving.under_way,
    )


def _pressure(figures: PressureFigures, now_s: float) -> PressureReport | None:
    if not figures.limit_bytes:
        return None
    return PressureReport(
        taken=figures.taken,
        cause=figures.cause,
        since_s=round(max(0.0, now_s - figures.changed_s), 3) if figures.steps else 0.0,
        steps=dict(figures.steps),
        used_bytes=figures.used_bytes,
        limit_bytes=figures.limit_bytes,
    )


def _affinity(tid: int) -> tuple[int, ...]:
    try:
        return tuple(sorted(os.sched_getaffinity(tid)))
    except OSError:
        return ()
