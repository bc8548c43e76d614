"""Where an application's memory is: what its worker tells of it in each report, what its keeper answers to `memory`.

Numbers come from a worker, whatever it is: all have bounds. What is not known is None or left out, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgekit.schema.bounds import Between, Length
from edgekit.schema.message import Message, NewerWord

MOST_SITES = 50
MOST_CALLERS = 3
MOST_HOLDERS = 16
_MOST_STREAMS, _MOST_ENGINES, _MOST_PROCESSES, _MOST_OWNERS = 64, 64, 32, 32

ByteCount = Annotated[int, Between(0, 1 << 60)]
Count = Annotated[int, Between(0, (1 << 63) - 1)]
Seconds = Annotated[float, Between(0, 1e12)]
Text = Annotated[str, Length(0, 300)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLeaseCount:
    """The pictures of one stream that are in use."""

    stream: Text
    most: Count
    """What may be at once."""
    held: Count
    outlived: Count = 0
    """Those whose frame has ended: somebody has kept an array of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseHolder:
    """Who has one picture."""

    stream: Text
    lane: Text
    place: Text
    """The stage or sink, or `waiting`; of one that outlives its frame who has kept it, empty where nobody knows."""
    age_s: Seconds
    outlives: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineMemory:
    """One loaded engine."""

    name: Text
    runner: Text
    file_bytes: ByteCount
    loaded_bytes: ByteCount
    """By how much the process grew while it was loaded; runs may take more, the first time."""
    accelerator_bytes: ByteCount | None = None
    """What it takes on the accelerator, as the accelerator's library says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSite:
    """A line of Python code that allocated what is still there."""

    file: Text
    line: Count
    bytes: ByteCount
    blocks: Count
    callers: Annotated[tuple[Text, ...], Length(0, MOST_CALLERS)] = ()
    """Who called that, `FILE:LINE`, the nearest first: an array's memory is taken in a line of numpy's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonMemory:
    """What Python code allocated while it was watched, and did not free: numpy's arrays count, C libraries do not."""

    number: Count
    """Of the question."""
    seconds: Seconds
    bytes: ByteCount = 0
    """At all sites together."""
    sites: Annotated[tuple[PythonSite, ...], Length(0, MOST_SITES)] = ()
    """The largest first."""
    trouble: Text = ""
    """Why there is no answer, or only a part of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerMemory:
    """What only the worker knows."""

    pool_bytes: ByteCount = 0
    """Memory for pictures that outlive their frames, lent and idle."""
    pool_most_bytes: ByteCount = 0
    pool_pictures: Count = 0
    """Those that somebody holds."""
    leases: Annotated[tuple[StreamLeaseCount, ...], Length(0, _MOST_STREAMS)] = ()
    holders: Annotated[tuple[LeaseHolder, ...], Length(0, MOST_HOLDERS)] = ()
    """Those that have a picture longest, the first of them first."""
    engines: Annotated[tuple[EngineMemory, ...], Length(0, _MOST_ENGINES)] = ()
    python: PythonMemory | None = None
    """The last answer to a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMemory:
    """A cgroup's account. Source: Linux, Documentation/admin-guide/cgroup-v2.rst, "memory.stat"."""

    current_bytes: ByteCount
    peak_bytes: ByteCount
    anon_bytes: ByteCount
    file_bytes: ByteCount
    shmem_bytes: ByteCount
    kernel_bytes: ByteCount
    reclaimable_bytes: ByteCount = 0
    """Of `file`: what the kernel takes back at once when it needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMemory:
    """One process. Source: proc_pid_smaps_rollup(5)."""

    pid: Count
    name: Text
    resident_bytes: ByteCount
    proportional_bytes: ByteCount
    """Pages that several processes share count for each by its part."""
    anon_bytes: ByteCount
    file_bytes: ByteCount
    shmem_bytes: ByteCount


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryGrowth:
    """A straight line through what was used over time."""

    per_hour_bytes: Annotated[float, Between(-1e18, 1e18)]
    bound_bytes: Annotated[float, Between(0, 1e18)] | None = None
    """The true slope lies within this of `per_hour_bytes` with 95 % confidence; None: nothing can be said yet."""
    seconds: Seconds
    """The time that the line is fitted to: the last half of the worker's life."""
    samples: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorMemory:
    """Memory of the worker's that lies with an accelerator's driver, and may be in no other account."""

    owner: Text
    """Whose: `process 812`, and what for where the driver says so."""
    source: Text
    """Which account of the kernel says so: `nvmap`, `drm`, `dma-buf`."""
    bytes: ByteCount


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAnswer(Message):
    """The answer to `memory`: one application, now."""

    application: str
    pid: Count
    """0: no worker runs."""
    limits: Literal["enforced", "advisory", "none"] | NewerWord = "none"
    max_bytes: ByteCount = 0
    high_bytes: ByteCount = 0
    """0: no limit."""
    group: GroupMemory | None = None
    """None where limits are advisory: there is no cgroup."""
    processes: Annotated[tuple[ProcessMemory, ...], Length(0, _MOST_PROCESSES)] = ()
    """The largest first; none that this keeper may not look into."""
    growth: MemoryGrowth | None = None
    """Of anon and shmem together; None before there are samples."""
    accelerators: Annotated[tuple[AcceleratorMemory, ...], Length(0, _MOST_OWNERS)] = ()
    worker: WorkerMemory | None = None
    sinks: dict[str, ByteCount] = field(default_factory=dict)
    """Encoded video that each sink keeps in memory."""
