"""The protocol on `control.sock`: what a client asks the keeper, and what it answers.

Framing, both ways: one JSON object on one line (at most `MAX_LINE_BYTES`), and, where it carries `payload_bytes`, that
many raw bytes after it. A client sends requests one after the other on one connection. The keeper answers each with
zero or more `Event` lines of kind `progress`, `state`, `report` or `log` and then exactly one of kind `done` or
`error`. Only `chunk` is answered by nothing when all is well, so that chunks can follow each other without waiting;
when one fails, the keeper answers `error` once and reads on to the next request that is not a `chunk`, which it
answers as usual.

The host reaches the socket through SSH by running `edgekitd.pyz connect`, which copies bytes between its standard
streams and the socket and knows nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from edgekit.schema.message import Message, NewerWord
from edgekit.schema.report import Report

PROTOCOL = 1
"""Of the framing alone. What a keeper is able to do beyond that, its features say."""
FEATURES: tuple[str, ...] = ("zlib",)
"""What this keeper can do and one of the same protocol perhaps cannot: the host asks before it uses one.

`zlib`: chunks may be compressed.
"""
MAX_LINE_BYTES = 4 << 20
MAX_CHUNK_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 17 << 20

Verb = Literal[
    "hello", "status", "lock", "offer", "chunk", "install", "activate", "rollback", "stop", "logs", "metrics"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Message):
    """One request. Which fields count depends on the verb.

    hello      -> done.data: a `Hello` as JSON
    status     -> done.data: a `Status` as JSON
    lock       holder: takes the deployment lock for this connection (exit code 9 with the holder's name if taken)
    offer      payload: manifest.json, then the signature (`signature_bytes` of it); verified before anything else.
               done.data: `Offer` as JSON
    chunk      sha256, offset, encoding, payload: the next part of a blob
    install    digest: checks that all blobs are there, lays out releases/<digest>/
    activate   digest: events `state`, `report` until committed or rolled back
    rollback   activates the previous release (done.data: from, to)
    stop       stops the worker until the next activate or start of the keeper
    logs       follow, lines: events `log`
    metrics    done.data: text
    """

    verb: Verb
    holder: str = ""
    digest: str = ""
    sha256: str = ""
    offset: int = 0
    encoding: Literal["raw", "zlib"] = "raw"
    payload_bytes: int = 0
    signature_bytes: int = 0
    follow: bool = False
    lines: int = 100
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Message):
    """One line of an answer."""

    kind: Literal["progress", "state", "report", "log", "done", "error"] | NewerWord
    message: str = ""
    data: dict[str, object] = field(default_factory=dict)
    report: Report | None = None
    exit_code: int = 0
    hint: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Message):
    """The answer to `hello`."""

    keeper: str
    """Its version, for people."""
    protocol: int
    keeper_sha256: str
    """Of the program that runs."""
    features: tuple[str, ...] = ()
    """What it can do: see `FEATURES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBlob:
    """A blob to send, from `have_bytes` on: what an interrupted transfer brought is kept."""

    sha256: str
    have_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(Message):
    """The answer to a manifest."""

    digest: str
    signer: str
    installed: bool
    current: bool
    missing: tuple[MissingBlob, ...]
    disk_free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRef:
    """A release as people see it."""

    digest: str
    application: str
    version: str
    signer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a release was rolled back or a worker ended, with the evidence."""

    digest: str
    application: str
    version: str
    reason: str
    """One sentence."""
    probes: tuple[str, ...]
    """Each a figure against its limit: `fps 0.0 < min_fps 2.0`."""
    log_tail: tuple[str, ...]
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """The worker process and its cgroup."""

    pid: int
    """0 where none runs."""
    state: Literal["stopped", "starting", "running", "backoff"] | NewerWord
    restarts: int
    last_exit: str
    """`exited with code 3`, `killed by SIGSEGV`, `out of memory: ...`, or empty."""
    oom_kills: int
    memory_current: int
    memory_peak: int
    memory_max: int
    cpuset_cpus: str
    limits: Literal["enforced", "advisory", "none"] | NewerWord
    limits_note: str
    """Why limits are advisory, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Message):
    """Answer to `status`."""

    keeper: str
    keeper_pid: int
    uptime_s: float
    phase: Literal["idle", "activating", "settling", "running", "rolling_back", "stopped"] | NewerWord
    current: ReleaseRef | None
    previous: ReleaseRef | None
    candidate: ReleaseRef | None
    healthy: bool
    unhealthy_because: tuple[str, ...]
    """Every reason, each with value and limit; empty when healthy or when nothing runs."""
    worker: WorkerStatus
    report: Report | None
    last_failure: Failure | None
    lock_holder: str
    store_bytes: int
    disk_free_bytes: int
