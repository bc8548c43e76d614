"""The worker's figures in Prometheus's text format, made when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edgekit.device.runtime.figures import BUCKETS_S, Histogram
from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.server.metrics import serving_metrics
from edgekit.device.runtime.streams import StreamFigures, window_of
from edgekit.schema.report import StreamState
from edgekit.stage import StreamInfo


class WorkerCollector(Collector):
    """Reads a pipeline at each collection."""

    def __init__(self, pipeline: Pipeline, clock: Callable[[], float]) -> None:
        self._pipeline, self._clock = pipeline, clock

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._of_streams()
        yield from self._of_lanes()
        yield from self._of_sinks()
        yield from self._of_leases()
        yield from self._of_pool()
        yield from self._of_pressure()
        yield from self._of_slots()
        if (serving := self._pipeline.figures.serving) is not None:
            yield from serving_metrics(serving, _buckets)
        dropped = CounterMetricFamily(
            "edgekit_dropped", "Frames dropped, by place and cause.", labels=["stream", "place", "cause"]
        )
        for key, count in self._pipeline.drops().items():
            dropped.add_metric(key, count)
        yield dropped

    def _of_streams(self) -> Iterator[Metric]:
        streams = tuple(self._pipeline.figures.streams.values())
        latency = HistogramMetricFamily("edgekit_frame_latency_seconds", "From capture to sink.", labels=["stream"])
        counted = GaugeMetricFamily(
            "edgekit_count", "The application's counts in this pass of a stream.", labels=["stream", "name"]
        )
        state = GaugeMetricFamily("edgekit_stream_state", "1 for the state it is in.", labels=["stream", "state"])
        info = InfoMetricFamily("edgekit_stream", "What its frames are.", labels=["stream"])
        for stream in streams:
            latency.add_metric([stream.name], *_buckets(stream.latency))
            for name, count in stream.counts.items():
                counted.add_metric([stream.name, name], count)
            for name in get_args(StreamState):
                state.add_metric([stream.name, name], stream.state == name)
            if stream.info is not None:
                info.add_metric([stream.name], _words(stream.info))
        yield from (latency, counted, state, info)
        yield from self._numbers_of(streams)

    def _numbers_of(self, streams: Sequence[StreamFigures]) -> Iterator[Metric]:
        now_s = self._clock()
        for family, name, text, value in (
            (CounterMetricFamily, "frames", "Frames that reached a sink.", lambda one: one.frames),
            (CounterMetricFamily, "stream_passes", "How often a recording began again.", lambda one: one.passes),
            (CounterMetricFamily, "stream_reconnects", "How often a camera came back.", lambda one: one.reconnects),
            (
                GaugeMetricFamily,
                "stream_state_seconds",
                "Since it is in its state.",
                lambda one: max(0.0, now_s - one.since_s),
            ),
            (GaugeMetricFamily, "stream_fps", "Frames a second, now.", lambda one: window_of([one.recent()]).fps),
            (GaugeMetricFamily, "stream_wanted_fps", "Frames a second that should come.", lambda one: one.wanted_fps),
        ):
            made = family(f"edgekit_{name}", text, labels=["stream"])
            for stream in streams:
                made.add_metric([stream.name], value(stream))
            yield made

    def _of_lanes(self) -> Iterator[Metric]:
        busy = CounterMetricFamily("edgekit_lane_busy_seconds", "Time inside stages.", labels=["lane"])
        waiting = GaugeMetricFamily("edgekit_lane_queue", "Frames that wait for the lane.", labels=["lane", "stream"])
        threads = GaugeMetricFamily("edgekit_lane_threads", "OS threads that run its stages.", labels=["lane"])
        stages = HistogramMetricFamily("edgekit_stage_seconds", "Time in a stage.", labels=["lane", "stage"])
        for lane in self._pipeline.lanes:
            threads.add_metric([lane.name], len(lane.threads))
            for stream, frames in lane.queues.waiting().items():
                waiting.add_metric([lane.name, stream], frames)
        for one in self._pipeline.workers:
            busy.add_metric([one.name], one.figures.busy_s)
            for stage, histogram in list(one.figures.stages.items()):
                stages.add_metric([one.name, stage], *_buckets(histogram))
        yield from (busy, waiting, threads, stages)

    def _of_leases(self) -> Iterator[Metric]:
        """How many pictures are in use, and who has the oldest of them."""
        now_s = self._clock()
        most = GaugeMetricFamily("edgekit_leases_most", "Pictures that may be in use at once.", labels=["stream"])
        held = GaugeMetricFamily("edgekit_leases", "Pictures in use.", labels=["stream"])
        kept = GaugeMetricFamily("edgekit_leases_outlived", "Those whose frame has ended.", labels=["stream"])
        oldest = GaugeMetricFamily(
            "edgekit_lease_oldest_seconds",
            "Age of the oldest picture in use, by who has it.",
            labels=["stream", "lane", "place"],
        )
        for feed in self._pipeline.feeds:
            holders = feed.leases.holders()
            most.add_metric([feed.leases.stream], feed.leases.most)
            held.add_metric([feed.leases.stream], feed.leases.held)
            kept.add_metric([feed.leases.stream], sum(one.outlives for one in holders))
            first = {(one.stream, one.lane, one.place): one.since_s for one in reversed(holders)}
            for key, since_s in first.items():
                oldest.add_metric(key, max(0.0, now_s - since_s))
        yield from (most, held, kept, oldest)

    def _of_slots(self) -> Iterator[Metric]:
        """Places to compute on, of each engine; what it takes on its accelerator is beside the worker's own memory."""
        uses = {model: runner.use for model, runner in self._pipeline.runners.items()}
        slots = GaugeMetricFamily("edgekit_slots", "Inferences that may run at the same time.", labels=["model"])
        taken = GaugeMetricFamily("edgekit_slots_taken", "Inferences that run now.", labels=["model"])
        times = CounterMetricFamily("edgekit_inferences", "How often a slot was taken.", labels=["model"])
        busy = CounterMetricFamily("edgekit_slot_busy_seconds", "For how long, all slots together.", labels=["model"])
        waited = CounterMetricFamily("edgekit_slot_wait_seconds", "Time that threads waited for one.", labels=["model"])
        memory = GaugeMetricFamily("edgekit_engine_memory_bytes", "Of the accelerator, to run it.", labels=["model"])
        for model, use in uses.items():
            slots.add_metric([model], use.slots)
            taken.add_metric([model], use.taken)
            times.add_metric([model], use.times)
            busy.add_metric([model], use.busy_s)
            waited.add_metric([model], use.waited_s)
            if memory_bytes := self._pipeline.runners[model].memory_bytes:
                memory.add_metric([model], memory_bytes)
        yield from (slots, taken, times, busy, waited, memory)

    def _of_pool(self) -> Iterator[Metric]:
        pool = self._pipeline.pool
        for family, name, text, value in (
            (GaugeMetricFamily, "bytes", "Memory of pictures that outlive their frames.", pool.bytes),
            (GaugeMetricFamily, "most_bytes", "What it may be.", pool.budget_bytes or 0),
            (GaugeMetricFamily, "pictures", "Pictures in it that somebody holds.", pool.lent),
            (CounterMetricFamily, "copies", "Pictures that were copied into it.", pool.figures.copies),
            (CounterMetricFamily, "refused", "Pictures that found no room in it.", pool.figures.refused),
        ):
            made = family(f"edgekit_pool_{name}", text)
            made.add_metric([], value)
            yield made

    def _of_pressure(self) -> Iterator[Metric]:
        """What it does without now, and what it ever gave up."""
        figures = self._pipeline.figures.pressure
        taken = GaugeMetricFamily("edgekit_pressure_taken", "Things that it does without now, as memory is tight.")
        taken.add_metric([], len(figures.taken))
        steps = CounterMetricFamily("edgekit_pressure_steps", "Times that something was given up.", labels=["relief"])
        for relief, count in figures.steps.items():
            steps.add_metric([relief], count)
        yield from (taken, steps)

    def _of_sinks(self) -> Iterator[Metric]:
        sinks = self._pipeline.figures.sinks
        for family, name, text, value in (
            (GaugeMetricFamily, "up", "1 where nothing keeps it from sending.", lambda one: not one.trouble),
            (GaugeMetricFamily, "waiting", "Messages that wait to be sent.", lambda one: one.waiting),
            (GaugeMetricFamily, "waiting_bytes", "What these take.", lambda one: one.waiting_bytes),
            (CounterMetricFamily, "sent", "Messages that arrived.", lambda one: one.sent),
            (CounterMetricFamily, "dropped", "Messages that found no room to wait.", lambda one: one.dropped),
        ):
            made = family(f"edgekit_sink_{name}", text, labels=["sink"])
            for sink, figures in sinks.items():
                made.add_metric([sink], value(figures))
            yield made
        held = GaugeMetricFamily(
            "edgekit_sink_held_bytes", "Encoded video in memory, for clips.", labels=["sink", "stream"]
        )
        for sink, figures in sinks.items():
            for stream, holder in figures.held.items():
                held.add_metric([sink, stream], holder.bytes)
        yield held


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    total, cumulative = 0, []
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), histogram.buckets, strict=True):
        total += count
        cumulative.append((bound, float(total)))
    return cumulative, histogram.sum_s


def _words(info: StreamInfo) -> dict[str, str]:
    spec = info.spec
    return {"codec": info.codec, "size": f"{spec.width_px}x{spec.height_px}", "colours": spec.colours}


def metrics_text(pipeline: Pipeline, clock: Callable[[], float] = time.monotonic) -> str:
    """Everything, as text; `clock` is the pipeline's."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorkerCollector(pipeline, clock))
    return generate_latest(registry).decode()
