"""What a release costs on one machine, as `edgekit profile` measures it: read by `edgekit plan` and `edgekit build`.

Costs are CPU time of the thread that did the work: neighbours that take the CPU away meanwhile do not make it longer,
and how long frames wait for a CPU is what a forecast computes. What a stage waits for an accelerator is kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from edgekit.schema.bounds import Between, Length
from edgekit.schema.message import Message
from edgekit.schema.telemetry import ClockRate

FORMAT = 2
MAX_PROFILE_BYTES = 4 << 20
MAX_CLIP_BYTES = 64 << 20
MAX_SIDE_PX = 16_384
MAX_SECONDS = 600
"""For which a clip is played."""
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1.0)
"""The parts of all samples that do not exceed the values of a `Spread`. Between two of them a forecast draws evenly, so
they are close where few samples are long: a frame passes many steps, and one long one makes its latency long."""
MAX_RHYTHM = 600
"""Pictures whose decoding is kept one by one."""
DECODE = "decode"
"""The work of a source's own thread on one picture, beside the stages' names."""

Milliseconds = Annotated[float, Between(0, 3_600_000)]
Spread = Annotated[tuple[Milliseconds, ...], Length(len(SHARES), len(SHARES), "one for each of SHARES")]
"""A distribution."""
Count = Annotated[int, Between(0, 1 << 53)]
Bytes = Annotated[int, Between(0, 1 << 53)]
Rate = Annotated[float, Between(0, 4096)]
Side = Annotated[int, Between(1, MAX_SIDE_PX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One kind of work on one frame."""

    count: Count
    """Samples."""
    p50_ms: Milliseconds
    p95_ms: Milliseconds
    """Wall time: what 50 and 95 of 100 do not exceed."""
    cpu_p50_ms: Milliseconds
    cpu_p95_ms: Milliseconds
    """CPU time of the thread, likewise."""
    wait_ms: Milliseconds = 0.0
    """Of the wall time: what it sleeps until an accelerator is done, on average; 0 where the CPU does it all."""
    spread_ms: Spread
    """CPU time."""
    pause_ms: Spread = (0.0,) * len(SHARES)
    """The the time in which the thread neither computed nor waited for a CPU: mostly for the interpreter's lock.
    What an accelerator takes is in `wait_ms` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoffs:
    """How long a lane's thread, where it sleeps, takes to begin with a frame from when the step before it ended; by
    lane. What it waits for a CPU is not in it. A lane that was always busy has none."""

    alone_ms: Annotated[dict[str, Spread], Length(0, 256)] = field(default_factory=dict)
    met_ms: Annotated[dict[str, Spread], Length(0, 256)] = field(default_factory=dict)
    """With several such streams, of those where another thread was inside a step then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCost:
    """One model on its slot."""

    runner: str
    sha256: str
    """Of the engine's file."""
    slots: Count = 1
    stage: str = ""
    """The stage that runs it, whose cost this is too."""
    memory_bytes: Bytes = 0
    """Anonymous and shared memory by which the process grew while it was loaded."""
    accelerator_bytes: Bytes = 0
    """What it takes on the accelerator to run, as the accelerator's library says; 0 where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeProfile:
    """One stream of pictures of one size, played as a camera gives them."""

    width_px: Side
    height_px: Side
    codec: str = ""
    fps: Rate
    clip: str
    """What was played, in words."""
    frames: Count
    costs: Annotated[dict[str, Cost], Length(1, 256)]
    """By stage and sink, and `decode`."""
    met: Annotated[dict[str, Cost], Length(0, 256)] = field(default_factory=dict)
    """The same of frames that met others: while several such streams were played, another thread was at work too.
    Caches, memory, what CPUs share and the interpreter's lock make them cost more."""
    decode_ms: Annotated[tuple[Milliseconds, ...], Length(0, MAX_RHYTHM)] = ()
    """CPU time of `decode`, picture after picture, from a key picture on up to another. Empty: not known."""
    overheads_ms: Annotated[dict[str, Milliseconds], Length(0, 256)] = field(default_factory=dict)
    """CPU time a frame that a lane's thread takes beside its stages, by lane; `decode`: a source's thread."""
    beside_ms: Milliseconds = 0.0
    """CPU time in a second of all other threads: reports, senders."""
    handoffs: Handoffs = field(default_factory=Handoffs)
    """From one lane to the next."""
    p50_ms: Milliseconds
    p99_ms: Milliseconds
    """Capture to sink, as measured."""
    memory_bytes: Bytes
    """Anonymous and shared memory at its peak, with this one stream."""
    stream_bytes: Bytes = 0
    """What one more such stream takes of it."""
    pictures: Count = 0
    """Pictures of the stream that were in use at once, at most."""
    references: Count = 0
    """Pictures that its decoder had to keep, as the clip says; 0: it does not say, or it was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryProfile:
    """Anonymous and shared memory of the worker before it had a stream. Source: Linux, proc_pid_status(5)."""

    interpreter_bytes: Bytes
    libraries_bytes: Bytes
    """Together with the interpreter's."""
    ready_bytes: Bytes
    """With engines loaded and golden frames run."""
    file_bytes: Bytes = 0
    """Mapped from files, which the kernel can drop: libraries' code, weights that are mapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileFormat(Message):
    """What a profile, or a reply, says of its own format: read first, as the rest reads in that format alone."""

    format: Count = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Message):
    """What one release costs on one machine, in the state that it was in."""

    format: Count = 1
    """`FORMAT`, of those that this edgekit writes."""
    edgekit: str
    application: str
    version: str
    target: str
    release: str
    """Digest of the release."""
    device: str
    machine: str
    """What the device says that it is."""
    measured: str
    """When, ISO 8601 in UTC."""
    kernel: str = ""
    python: str = ""
    power_mode: str = ""
    power_conf: str = ""
    """Of a Jetson: name and configuration of the mode that it was in."""
    clocks: Annotated[tuple[ClockRate, ...], Length(0, 64)] = ()
    """While it was measured."""
    packages: Annotated[dict[str, str], Length(0, 1024)] = field(default_factory=dict)
    """Versions, by name."""
    engines: Annotated[dict[str, EngineCost], Length(0, 64)] = field(default_factory=dict)
    sizes: Annotated[tuple[SizeProfile, ...], Length(1, 32)]
    memory: MemoryProfile
    notes: Annotated[tuple[str, ...], Length(0, 64)] = ()
    """What was not measured, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedClip:
    """A clip that stands in for a camera."""

    about: str
    data: str = ""
    """An MP4 file, base64. Empty: the plan's own first source is played, which is no camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRequest(Message):
    """What a machine is asked to measure; on standard input."""

    seconds: Annotated[float, Between(0.5, MAX_SECONDS)] = 10.0
    """For each clip as one stream, and again as several."""
    clips: Annotated[tuple[PlayedClip, ...], Length(1, 32)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileReply(Message):
    """What it measured; on standard output."""

    format: Count = 1
    """`FORMAT`, of what this edgekit measures."""
    sizes: Annotated[tuple[SizeProfile, ...], Length(0, 32)] = ()
    engines: Annotated[dict[str, EngineCost], Length(0, 64)] = field(default_factory=dict)
    memory: MemoryProfile | None = None
    clocks: Annotated[tuple[ClockRate, ...], Length(0, 64)] = ()
    kernel: str = ""
    python: str = ""
    notes: Annotated[tuple[str, ...], Length(0, 64)] = ()
    failure: str = ""
    """Why it could not be measured."""
    hint: str = ""
