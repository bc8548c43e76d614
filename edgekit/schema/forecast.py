"""What the workstation asks of a forecast, and what that foretells: the worker's own scheduler, on a virtual clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from edgekit.schema.bounds import Between, Length
from edgekit.schema.message import Message
from edgekit.schema.plan import EnginePlan, WorkerPlan
from edgekit.schema.profile import MAX_RHYTHM, Bytes, Profile, Rate, Side

MOST_CAMERAS = 64
MAX_SPANS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRequest(Message):
    """A plan, what it costs, and how many cameras there shall be."""

    plan: WorkerPlan
    profile: Profile
    width_px: Side
    height_px: Side
    """Of each camera's pictures: the profile has measured them."""
    fps: Rate
    """Of each camera."""
    counts: Annotated[tuple[Annotated[int, Between(1, MOST_CAMERAS)], ...], Length(1, 16)]
    """Numbers of cameras that are looked at."""
    seconds: Annotated[float, Between(1, 600)] = 20.0
    """How long each run is, on the virtual clock."""
    runs: Annotated[int, Between(1, 64)] = 4
    """With other distances between the cameras' pictures each time."""
    phases: Annotated[tuple[Annotated[float, Between(0, MAX_RHYTHM)], ...], Length(0, MOST_CAMERAS)] = ()
    """When a key picture of each camera comes, counted in times between two pictures; further cameras, or all: at
    random. The others come before and after it, evenly."""
    seek_most: bool = True
    """Whether to look for the largest number that keeps up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadForecast:
    """A number of cameras."""

    cameras: int
    fps: float
    """Of each that reaches a sink, on average."""
    p50_ms: float
    p99_ms: float
    """Capture to sink, with cameras whose pictures come at different times."""
    together_p99_ms: float
    """Where the pictures of all cameras come at the same moment, key pictures too: as late as it gets."""
    dropped_ratio: float
    """Of all frames, by the scheduler, queues and leases."""
    drops: dict[str, int] = field(default_factory=dict)
    """By cause."""
    lanes: dict[str, float] = field(default_factory=dict)
    """How busy each lane's threads are, 0..1."""
    cpus: dict[str, float] = field(default_factory=dict)
    """How busy each CPU is, 0..1."""
    accelerators: dict[str, float] = field(default_factory=dict)
    pictures: int = 0
    """Pictures of one stream in use at once, at most."""
    keeps_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A thread was at work on one frame."""

    thread: str
    stream: str
    begin_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastReply(Message):
    """What is foretold."""

    loads: Annotated[tuple[LoadForecast, ...], Length(0, 16)] = ()
    most: int = 0
    """The largest number of cameras that keeps up; 0: not even one, or it was not sought."""
    spans: Annotated[tuple[Span, ...], Length(0, MAX_SPANS)] = ()
    """A piece of the run with most of the cameras that were asked for."""
    failure: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsRequest(Message):
    """Models whose memory is to be measured on this machine's CPU; their paths are absolute."""

    engines: Annotated[dict[str, EnginePlan], Length(0, 64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsReply(Message):
    """What they take, loaded and run a few times."""

    memory_bytes: Annotated[dict[str, Bytes], Length(0, 64)] = field(default_factory=dict)
    unknown: Annotated[dict[str, str], Length(0, 64)] = field(default_factory=dict)
    """Why that of a model is not known."""
