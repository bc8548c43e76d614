"""The worker's figures in Prometheus's text format, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from edgekit.device.runtime.figures import BUCKETS_S, Histogram, Outcome
from edgekit.device.runtime.schedule.lanes import Lane


class WorkerCollector(Collector):
    """Reads lanes and outcome at each collection."""

    def __init__(self, lanes: Sequence[Lane], outcome: Outcome) -> None:
        self._lanes = lanes
        self._outcome = outcome

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield CounterMetricFamily("edgekit_frames", "Frames that reached the sinks.", value=self._outcome.frames)
        latency = HistogramMetricFamily("edgekit_frame_latency_seconds", "From capture to sink.")
        latency.add_metric([], *_buckets(self._outcome.latency))
        yield latency
        yield from self._of_lanes()
        counted = GaugeMetricFamily("edgekit_count", "The application's counts in this pass.", labels=["name"])
        for name, count in self._outcome.counts.items():
            counted.add_metric([name], count)
        yield counted

    def _of_lanes(self) -> Iterator[Metric]:
        dropped = CounterMetricFamily("edgekit_dropped", "Frames dropped, by cause.", labels=["lane", "cause"])
        busy = CounterMetricFamily("edgekit_lane_busy_seconds", "Time inside stages.", labels=["lane"])
        waiting = GaugeMetricFamily("edgekit_lane_queue", "Items that wait for the lane.", labels=["lane"])
        stages = HistogramMetricFamily("edgekit_stage_seconds", "Time in a stage.", labels=["lane", "stage"])
        for lane in self._lanes:
            busy.add_metric([lane.name], lane.figures.busy_s)
            waiting.add_metric([lane.name], len(lane.queue))
            for cause, count in lane.dropped().items():
                dropped.add_metric([lane.name, cause], count)
            for stage, histogram in list(lane.figures.stages.items()):
                stages.add_metric([lane.name, stage], *_buckets(histogram))
        yield from (dropped, busy, waiting, stages)


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    total, told = 0, []
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), histogram.buckets, strict=True):
        total += count
        told.append((bound, float(total)))
    return told, histogram.sum_s


def metrics_text(lanes: Sequence[Lane], outcome: Outcome) -> str:
    """Everything, as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(WorkerCollector(lanes, outcome))
    return generate_latest(registry).decode()
