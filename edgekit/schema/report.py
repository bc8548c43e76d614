"""What a worker tells its keeper, about once a second, as one JSON line on the pipe that it inherits.

The pipe's file descriptor number is in the environment variable `EDGEKIT_REPORT_FD`. It is one end of a stream socket
pair: when the keeper is gone the worker reads end-of-file there and stops by itself, so no orphan is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from edgekit.errors import Cause
from edgekit.schema.bounds import Between
from edgekit.schema.memory import WorkerMemory
from edgekit.schema.message import Message, NewerWord
from edgekit.schema.pressure import PressureReport
from edgekit.schema.trace import TraceReport

MAX_REPORT_BYTES = 1 << 20
REPORT_FD_VARIABLE = "EDGEKIT_REPORT_FD"

Count = Annotated[int, Between(0, (1 << 63) - 1)]
Amount = Annotated[float, Between(0, 1e18)]
"""Numbers come from a worker, whatever it is: what a keeper adds, compares and prints has bounds."""

Phase = Literal["starting", "golden", "running", "stopping", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReport:
    """One thread of a lane since the last report."""

    name: str
    tid: Count
    """Kernel thread id, for /proc/<pid>/task/<tid>."""
    cpus: tuple[Count, ...]
    """Affinity that the thread really has."""
    busy_ratio: Amount
    queue: Count
    dropped: dict[str, Count]
    """Since the start, by cause: see `DropReport`."""


StreamState = Literal["connecting", "live", "stalled", "frozen", "down", "ended", "failed"]
"""`stalled`: connected, and nothing comes; `frozen`: the same picture over and over; `down`: no connection. Out of
these three a source gets by itself. `ended`, `failed`: a recording is over, or cannot be played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropReport:
    """Frames of one stream that did not reach every sink, since the start."""

    place: str
    """The lane, stage or sink where it happened; LANE/STREAM for the thread of a source."""
    cause: str
    """`drop_oldest`, `drop_newest` (its queue was full), `deadline` (it could not be through in time), `superseded` (it
    would have made a newer one late), `error`, `stage` (a stage returned None), `closing`; of a source also `max_fps`,
    `roi` (the picture is smaller), `frozen` and `damaged`. `drop_oldest` of a source is a GStreamer pipeline's own."""
    count: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """The frames of one source on their way, now."""

    name: str
    state: StreamState | NewerWord
    since_s: Amount
    """How long it has been in this state."""
    message: str = ""
    """Why it is in this state, where that is not plain."""
    cause: Cause | NewerWord = ""
    """The same as one of `edgekit.errors.Cause`, where that is known."""
    frames: Count = 0
    """Frames that reached the sinks since the start."""
    fps: Amount = 0.0
    wanted_fps: Amount = 0.0
    """What the source says that it gives, or `max_fps` where that is less; 0 where it does not say."""
    p50_ms: Amount = 0.0
    p99_ms: Amount = 0.0
    """Capture to sink, over the last 5 s at most."""
    passes: Count = 0
    """How often its recording began again."""
    reconnects: Count = 0
    """How often its camera came back after it was lost."""
    codec: str = ""
    """As FFmpeg calls it; empty where nothing is decoded, or nothing is known yet."""
    width_px: Count = 0
    height_px: Count = 0
    """Of what stages see; 0 until it is known."""
    colours: str = ""
    """`BT.709 limited`, or the order of channels."""
    drops: tuple[DropReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkReport:
    """A sink that sends elsewhere, now."""

    name: str
    message: str = ""
    """Why it cannot send, or keep what it has to; empty where all is well."""
    sent: Count = 0
    """Messages that arrived, or clips that were written, since the start."""
    waiting: Count = 0
    """Those that wait to be sent, in memory and on disk; clips that are being written."""
    dropped: Count = 0
    """Those that found no room to wait, or could not be written, since the start."""
    held_bytes: dict[str, Count] = field(default_factory=dict)
    """Memory that it keeps encoded video of each stream in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingReport:
    """Models that are reached from outside, now."""

    models: tuple[str, ...]
    addresses: tuple[str, ...] = ()
    """Where clients reach it: `127.0.0.1:8000`, and `socket` for the keeper's."""
    message: str = ""
    """What keeps clients away; empty where all is well."""
    answered: Count = 0
    """Requests that were answered well, since the start."""
    turned_away: Count = 0
    """Those that came while too many were under way."""
    under_way: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Message):
    """One worker, now."""

    phase: Phase | NewerWord
    message: str = ""
    """What it is doing, or why it failed."""
    cause: Cause | NewerWord = ""
    """Why it failed, where that is known."""
    hint: str = ""
    """What helps where it failed, where that is known."""
    uptime_s: Amount = 0.0
    frames: Count = 0
    """Frames that reached the sinks since the start."""
    errors: Count = 0
    """Frames that a stage failed on, since the start."""
    error_ratio: Annotated[float, Between(0, 1)] = 0.0
    """Of the frames of the last 60 s at most: those that a stage failed on."""
    idle_s: Amount = 0.0
    """Since a frame last reached a sink, or since the pipeline began; 0 once all streams ended and went through."""
    fps: Amount = 0.0
    """Over the last 5 s at most."""
    p50_ms: Amount = 0.0
    p99_ms: Amount = 0.0
    """Capture to sink, over the last 5 s at most."""
    golden: str = ""
    """`passed`, `failed: ...` with the values, or empty where the recipe has none."""
    counts: dict[str, Count] = field(default_factory=dict)
    """The application's own counts, `colour class -> n`."""
    score: dict[str, Amount] = field(default_factory=dict)
    """Of the last full pass over the clip: `expected`, `counted`, `wrong`, `passes`."""
    lanes: tuple[LaneReport, ...] = ()
    streams: tuple[StreamReport, ...] = ()
    sinks: tuple[SinkReport, ...] = ()
    pressure: PressureReport | None = None
    """How it stands with its memory; None where its keeper has told nothing of it."""
    memory: WorkerMemory | None = None
    """Where it is; None before the pipeline runs."""
    serving: ServingReport | None = None
    trace: TraceReport | None = None
    """Of the record that it was asked for last; None: of none."""
    metrics: str = ""
    """The worker's figures in Prometheus's text format."""


def without_metrics(report: Report) -> Report:
    """The report for people: its text for Prometheus, the bulk of it, goes by a verb of its own."""
    return replace(report, metrics="") if report.metrics else report
