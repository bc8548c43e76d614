"""The keeper's own figures in Prometheus's text format, and the worker's text behind them.

Source: Prometheus, "Exposition formats", text format 0.0.4; metric names end in their unit.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.schema.control import Status
from edgekit.schema.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One time series and what it means."""

    name: str
    kind: str
    """`gauge` or `counter`."""
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def metrics_text(status: Status, report: Report | None, pressure_percent: float) -> str:
    """All figures, the keeper's first."""
    lines: list[str] = []
    for metric in keeper_metrics(status, pressure_percent):
        lines.append(f"# HELP {metric.name} {metric.help}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in metric.labels)
        lines.append(f"{metric.name}{{{labels}}} {metric.value:g}" if labels else f"{metric.name} {metric.value:.17g}")
    worker = report.metrics.strip() if report else ""
    return "\n".join([*lines, worker]).strip() + "\n"


def keeper_metrics(status: Status, pressure_percent: float) -> tuple[Metric, ...]:
    """What the keeper knows of itself and its worker."""
    worker, current = status.worker, status.current
    release = (
        ("application", current.application if current else ""),
        ("version", current.version if current else ""),
        ("digest", current.digest if current else ""),
    )
    return (
        _gauge("keeper_uptime_seconds", "Time since the keeper's start.", status.uptime_s),
        _gauge("keeper_info", "The keeper; always 1.", 1, (("version", status.keeper),)),
        _gauge("release_info", "The committed release; always 1.", 1, release),
        _gauge("phase_info", "Where the keeper's state machine stands; always 1.", 1, (("phase", status.phase),)),
        _gauge("healthy", "1 where the worker is healthy.", int(status.healthy)),
        _gauge("worker_up", "1 where a worker runs.", int(worker.pid != 0)),
        _counter("worker_restarts_total", "Starts after the first one of this release.", worker.restarts),
        _counter("worker_oom_kills_total", "Ends of the worker by its memory limit.", worker.oom_kills),
        _gauge("worker_memory_bytes", "Memory of the worker's cgroup.", worker.memory_current),
        _gauge("worker_memory_peak_bytes", "The most it was.", worker.memory_peak),
        _gauge("worker_memory_limit_bytes", "memory.max of the worker's cgroup.", worker.memory_max),
        _gauge(
            "worker_memory_pressure_ratio",
            "Share of the last 10 s in which some of the worker waited for memory.",
            pressure_percent / 100,
        ),
        _gauge("store_bytes", "All blobs of the store.", status.store_bytes),
        _gauge("disk_free_bytes", "Free for the store.", status.disk_free_bytes),
    )


def _gauge(name: str, text: str, value: float, labels: tuple[tuple[str, str], ...] = ()) -> Metric:
    return Metric(name=f"edgekit_{name}", kind="gauge", help=text, value=value, labels=labels)


def _counter(name: str, text: str, value: float) -> Metric:
    return Metric(name=f"edgekit_{name}", kind="counter", help=text, value=value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
