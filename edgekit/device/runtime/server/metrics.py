"""What was asked of served models, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from edgekit.device.runtime.figures import Histogram
from edgekit.device.runtime.server.figures import ServingFigures

Buckets = tuple[list[tuple[str, float]], float]


def serving_metrics(figures: ServingFigures, buckets: Callable[[Histogram], Buckets]) -> Iterator[Metric]:
    """All families; `buckets` makes a histogram's."""
    requests = CounterMetricFamily("edgekit_requests", "Requests for inference, answered.", labels=["model", "code"])
    latency = HistogramMetricFamily(
        "edgekit_request_seconds", "From a request's arrival until its answer.", labels=["model"]
    )
    under_way = GaugeMetricFamily("edgekit_requests_under_way", "Of all served models, now.")
    under_way.add_metric([], figures.under_way)
    for name, model in figures.models.items():
        for status, count in sorted(model.statuses.items()):
            requests.add_metric([name, str(status)], count)
        latency.add_metric([name], *buckets(model.latency))
    yield from (requests, latency, under_way)
