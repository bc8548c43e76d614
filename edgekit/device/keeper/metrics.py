"""The keeper's own figures in Prometheus's text format, for all applications, and their workers' behind them.

Source: Prometheus, "Exposition formats", text format 0.0.4; metric names end in their unit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from edgekit.device.keeper.process.accounts import LeafAccounts
from edgekit.device.keeper.worker_text import WorkerTexts
from edgekit.schema.control import ApplicationStatus, Status
from edgekit.schema.telemetry import AcceleratorLoad, BoardTelemetry

_Labels = tuple[tuple[str, str], ...]
_Samples = tuple[tuple[_Labels, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One family of time series and what it means."""

    name: str
    kind: str
    """`gauge` or `counter`."""
    help: str
    samples: _Samples
    """Labels, and the value under them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What is known of the board and its applications beside their status, now."""

    pressures: Mapping[str, float] = field(default_factory=dict)
    """Percent of the last 10 s in which some of an application's worker waited for memory, by application."""
    accounts: Mapping[str, LeafAccounts] = field(default_factory=dict)
    """Of applications that have a cgroup."""
    board_waited_s: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """As `LeafAccounts.waited_s`, of all that runs on the board."""


def metrics_text(status: Status, looked: Looked, workers: Collection[str]) -> str:
    """All figures, the keeper's first.

    Args:
        status: the board's.
        looked: what else is known.
        workers: applications whose workers' own figures follow.
    """
    metrics = [*keeper_metrics(status, looked)]
    texts, refused = WorkerTexts([metric.name for metric in metrics]), dict[str, int]()
    for one in status.applications:
        if one.application in workers and one.report is not None:
            refused[one.application] = texts.add(one.application, one.report.metrics)
    if refused:
        text = "Lines of its worker's own figures that were left out: they were no right ones, or too many."
        samples = tuple(((("application", name),), float(count)) for name, count in refused.items())
        metrics.append(Metric(name="edgekit_worker_refused_lines", kind="gauge", help=text, samples=samples))
    lines: list[str] = []
    for metric in metrics:
        lines.append(f"# HELP {metric.name} {metric.help}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        lines += (f"{metric.name}{_braced(labels)} {value:.17g}" for labels, value in metric.samples)
    return "\n".join([*lines, *texts.lines()]) + "\n"


def keeper_metrics(status: Status, looked: Looked) -> Iterator[Metric]:
    """What the keeper knows of itself and of each worker."""
    yield _gauge("keeper_uptime_seconds", "Time since the keeper's start.", status.uptime_s)
    yield _gauge("keeper_info", "The keeper; always 1.", 1, (("version", status.keeper),))
    yield _gauge("memory_total_bytes", "The board's memory.", status.memory_total_bytes)
    yield _gauge("memory_promised_bytes", "memory_max of all applications.", status.memory_promised_bytes)
    yield _gauge("store_bytes", "All blobs of the store.", status.store_bytes)
    yield _gauge("disk_free_bytes", "Free for the store.", status.disk_free_bytes)
    if status.applications:
        yield from _of_applications(status.applications, looked.pressures)
    yield from _of_leaves(looked.accounts)
    if looked.board_waited_s:
        waited = tuple(((("resource", one), ("kind", kind)), s) for (one, kind), s in looked.board_waited_s.items())
        text = "How long some, or all (full), of what runs on the board waited for a resource."
        yield Metric(name="edgekit_board_pressure_seconds_total", kind="counter", help=text, samples=waited)
    if status.board:
        yield from _of_sensors(status.board)


def _of_leaves(accounts: Mapping[str, LeafAccounts]) -> Iterator[Metric]:
    """What the kernel has counted for each worker's cgroup; a family that it does not count is left out."""

    def per(value: Callable[[LeafAccounts], Iterable[tuple[_Labels, float | None]]]) -> _Samples:
        return tuple(
            ((("application", name), *labels), float(number))
            for name, one in accounts.items()
            for labels, number in value(one)
            if number is not None
        )

    families: tuple[tuple[str, str, str, _Samples], ...] = (
        (
            "gauge",
            "memory_part_bytes",
            "A part of its memory, by the kernel's name of it.",
            per(lambda one: (((("part", name),), count) for name, count in one.memory.items())),
        ),
        (
            "counter",
            "memory_events_total",
            "How often its memory came to a limit, by the kernel's name of the event.",
            per(lambda one: (((("event", name),), count) for name, count in one.memory_events.items())),
        ),
        (
            "counter",
            "pressure_seconds_total",
            "How long some, or all (full), of its threads waited for a resource.",
            per(lambda one: (((("resource", of), ("kind", kind)), s) for (of, kind), s in one.waited_s.items())),
        ),
        ("counter", "cpu_seconds_total", "CPU time.", per(lambda one: [((), one.cpu_s)])),
        ("counter", "cpu_throttled_seconds_total", "Held up by cpu.max.", per(lambda one: [((), one.throttled_s)])),
        ("gauge", "tasks", "Processes and threads.", per(lambda one: [((), one.tasks)])),
    )
    for kind, name, text, samples in families:
        if samples:
            yield Metric(name=f"edgekit_worker_{name}", kind=kind, help=text, samples=samples)


def _of_sensors(board: BoardTelemetry) -> Iterator[Metric]:
    """What cannot be read has no sample, and a family without any is left out: no zero stands for "unknown"."""
    limits = ((clock.clock, clock.limit_hertz) for clock in board.clocks)
    families = (
        (
            "temperature_celsius",
            "Of a thermal zone.",
            {(("zone", one.zone),): one.celsius for one in board.temperatures},
        ),
        ("accelerator_load_ratio", "How busy it is.", {_core(one): one.ratio for one in board.loads}),
        ("clock_hertz", "Now.", {(("clock", one.clock),): one.hertz for one in board.clocks}),
        ("clock_limit_hertz", "What it may rise to now.", {(("clock", name),): hz for name, hz in limits if hz}),
        ("power_watts", "Through a rail.", {(("rail", one.rail),): one.watts for one in board.rails}),
        ("module_power_watts", "Of the whole module.", {(): board.module_watts}),
        (
            "throttled",
            "1 where it holds clocks down.",
            {(("cause", one.cause), ("by", one.by)): one.active for one in board.throttles},
        ),
    )
    for name, text, samples in families:
        known = tuple((labels, float(value)) for labels, value in samples.items() if value is not None)
        if known:
            yield Metric(name=f"edgekit_board_{name}", kind="gauge", help=text, samples=known)
    if board.power_events:
        counts = tuple(((("line", one.line),), float(one.count)) for one in board.power_events)
        text = "Times that the supply was too weak, since the board's start."
        yield Metric(name="edgekit_board_power_events_total", kind="counter", help=text, samples=counts)


def _core(load: AcceleratorLoad) -> _Labels:
    return (("accelerator", load.accelerator), *([("core", load.core)] if load.core else []))


def _of_applications(found: tuple[ApplicationStatus, ...], pressures: Mapping[str, float]) -> Iterator[Metric]:
    def family(kind: str, name: str, text: str, value: Callable[[ApplicationStatus], float]) -> Metric:
        samples = tuple(((("application", one.application),), value(one)) for one in found)
        return Metric(name=f"edgekit_{name}", kind=kind, help=text, samples=samples)

    yield _info("release_info", "The committed release; always 1.", found, _release)
    yield _info("phase_info", "Where the state machine stands; always 1.", found, lambda one: (("phase", one.phase),))
    yield family("gauge", "healthy", "1 where the worker is healthy.", lambda one: one.healthy)
    yield family("gauge", "worker_up", "1 where a worker runs.", lambda one: one.worker.pid != 0)
    text = "Starts after the first one of this release."
    yield family("counter", "worker_restarts_total", text, lambda one: one.worker.restarts)
    text = "Ends of the worker by its memory limit."
    yield family("counter", "worker_oom_kills_total", text, lambda one: one.worker.oom_kills)
    text = "Memory of the worker's cgroup."
    yield family("gauge", "worker_memory_bytes", text, lambda one: one.worker.memory_current)
    yield family("gauge", "worker_memory_peak_bytes", "The most it was.", lambda one: one.worker.memory_peak)
    text = "memory.max of the worker's cgroup."
    yield family("gauge", "worker_memory_limit_bytes", text, lambda one: one.worker.memory_max)
    text = "Share of the last 10 s in which some of the worker waited for memory."
    name = "worker_memory_pressure_ratio"
    yield family("gauge", name, text, lambda one: pressures.get(one.application, 0.0) / 100)


def _info(
    name: str, text: str, found: tuple[ApplicationStatus, ...], labels: Callable[[ApplicationStatus], _Labels]
) -> Metric:
    samples = tuple(((("application", one.application), *labels(one)), 1.0) for one in found)
    return Metric(name=f"edgekit_{name}", kind="gauge", help=text, samples=samples)


def _release(one: ApplicationStatus) -> _Labels:
    current = one.current
    return (("version", current.version if current else ""), ("digest", current.digest if current else ""))


def _gauge(name: str, text: str, value: float, labels: _Labels = ()) -> Metric:
    return Metric(name=f"edgekit_{name}", kind="gauge", help=text, samples=((labels, value),))


def _braced(labels: _Labels) -> str:
    text = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{text}}}" if text else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
