"""The worker's figures in Prometheus's text format, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from edgekit.device.runtime.figures import BUCKETS_S, Histogram
from edgekit.device.runtime.pipeline import Pipeline


class WorkerCollector(Collector):
    """Reads a pipeline at each collection."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._of_streams()
        yield from self._of_lanes()
        dropped = CounterMetricFamily(
            "edgekit_dropped", "Frames dropped, by place and cause.", labels=["stream", "place", "cause"]
        )
        for key, count in self._pipeline.drops().items():
            dropped.add_metric(key, count)
        yield dropped

    def _of_streams(self) -> Iterator[Metric]:
        frames = CounterMetricFamily("edgekit_frames", "Frames that reached a sink.", labels=["stream"])
        restarts = CounterMetricFamily("edgekit_stream_restarts", "How often a stream restarted.", labels=["stream"])
        latency = HistogramMetricFamily("edgekit_frame_latency_seconds", "From capture to sink.", labels=["stream"])
        counted = GaugeMetricFamily(
            "edgekit_count", "The application's counts in this pass of a stream.", labels=["stream", "name"]
        )
        for stream in self._pipeline.figures.streams.values():
            frames.add_metric([stream.name], stream.frames)
            restarts.add_metric([stream.name], stream.restarts)
            latency.add_metric([stream.name], *_buckets(stream.latency))
            for name, count in stream.counts.items():
                counted.add_metric([stream.name, name], count)
        yield from (frames, restarts, latency, counted)

    def _of_lanes(self) -> Iterator[Metric]:
        busy = CounterMetricFamily("edgekit_lane_busy_seconds", "Time inside stages.", labels=["lane"])
        waiting = GaugeMetricFamily("edgekit_lane_queue", "Frames that wait for the lane.", labels=["lane"])
        stages = HistogramMetricFamily("edgekit_stage_seconds", "Time in a stage.", labels=["lane", "stage"])
        for lane in self._pipeline.lanes:
            waiting.add_metric([lane.name], len(lane.queues))
        for one in self._pipeline.workers:
            busy.add_metric([one.name], one.figures.busy_s)
            for stage, histogram in list(one.figures.stages.items()):
                stages.add_metric([one.name, stage], *_buckets(histogram))
        yield from (busy, waiting, stages)


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    total, cumulative = 0, []
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), histogram.buckets, strict=True):
        total += count
        cumulative.append((bound, float(total)))
    return cumulative, histogram.sum_s


def metrics_text(pipeline: Pipeline) -> str:
    """Everything, as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorkerCollector(pipeline))
    return generate_latest(registry).decode()
