"""The protocol on `control.sock`: what a client asks the keeper, and what it answers.

Framing, both ways: one JSON object on one line (how long: `schema.control_bounds`), and, where it carries
`payload_bytes`, that many raw bytes after it. A client sends requests one after the other on one connection. The
keeper answers each with zero or more `Event` lines of kind `progress`, `state`, `report` or `log` and then exactly
one of kind `done` or `error`. Only `chunk` and `patch` are answered by nothing when all is well, so that they can
follow each other without waiting; when one fails, the keeper answers `error` once and reads on to the next request
that is neither, which it answers as usual. `ping` is answered by nothing and may stand between any two requests.

The host reaches the socket through SSH: forwarded by sshd, or where that is not allowed by running `edgekitd.pyz
connect`, which copies bytes between its standard streams and the socket and knows nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgekit.schema.accelerators import AcceleratorUse
from edgekit.schema.bounds import Between, Length
from edgekit.schema.incident import Seconds
from edgekit.schema.manifest import MAX_FILE_BYTES, MAX_FILES
from edgekit.schema.memory import ByteCount, Count
from edgekit.schema.message import MUST_UNDERSTAND, Message, NewerWord
from edgekit.schema.report import Amount, Report
from edgekit.schema.settings import Setting
from edgekit.schema.telemetry import BoardTelemetry
from edgekit.schema.worker_status import Confinement, WorkerStatus

PROTOCOL = 1
"""Version of the framing alone; what else a keeper can do is in its features: `schema.control_features`."""
_MOST = Length(maximum=1024)
"""Of what a device has by the dozen."""
_FILES = Length(maximum=MAX_FILES)
Encoding = Literal["raw", "zlib"]
"""Of what travels: as it is, or packed."""
_PartBytes = Annotated[int, Between(0, MAX_FILE_BYTES)]

Verb = Literal[
    "hello",
    "status",
    "lock",
    "ping",
    "offer",
    "provenance",
    "trust",
    "permit",
    "chunk",
    "patch",
    "missing",
    "install",
    "activate",
    "rollback",
    "start",
    "stop",
    "remove",
    "settings",
    "logs",
    "metrics",
    "memory",
    "trace",
    "clips",
    "clip",
    "why",
]

ActivationPhase = Literal["idle", "activating", "settling", "running", "rolling_back", "stopped"]
"""Where the activation of one application stands."""
ON_ITS_WAY: tuple[str, ...] = ("activating", "settling", "rolling_back")
"""Phases that end by themselves. What a newer keeper has besides is not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Message):
    """One request. Which fields count depends on the verb.

    hello      -> done.data: a `Hello` as JSON
    status     -> done.data: a `Status` as JSON
    lock       application, holder: takes this application's deployment lock for this connection (exit code 9 with the
               holder's name if taken); other applications can be deployed meanwhile. With `lease` it is given back, and
               the connection ended, when nothing is heard of the client for `LEASE_S` while it has its turn
    ping       nothing but that the client is there; answered by nothing
    offer      payload: manifest.json, then the signature (`signature_bytes` of it); verified before anything else.
               With `size_bytes` the payload begins with a patch that makes a manifest of that size out of the one of
               the release `base`, which is installed, or was offered last for its application; empty: out of nothing.
               With `encoding` zlib besides, with such a manifest packed.
               An event `progress` every few seconds while files that are there are read. done.data: `Offer` as JSON
    provenance payload: how the release offered on this connection was made, `schema.provenance.Statement`, then the
               signature (`signature_bytes` of it) over its DSSE encoding; verified now, kept by `install`. With
               `size_bytes` the payload begins with a patch, as that of `offer`; `sha256` begins the digest of what it
               makes. done.data: signer
    trust      payload: a later version of the device's trust file, `schema.trust`. done.data: version
    permit     payload: a `DowngradePermit`, signed; counts on this connection for the release that it names
    chunk      sha256, offset, encoding, payload: the next part of a blob of the release offered on this connection.
               `sha256` may be a beginning that no other blob of it has. With `more` the payload goes on past the end of
               that blob, with those blobs whole. Where the link breaks, what has come stays
    patch      sha256, base, patch, size_bytes, offset, payload: the next part of a patch of `size_bytes` that makes
               this blob out of the blob `base`, or the one that begins so; empty: out of nothing. `patch` begins the
               patch's own digest; without both the payload is the whole patch
    missing    applies the patches that have come; one that does not fit, or whose base is not there, is forgotten.
               done.data: `Missing` as JSON
    install    digest: checks that all blobs are there, lays out releases/<digest>/
    activate   digest, payload: the application's settings (a `BoardSettings` as JSON); none: those that the board
               has for it. Events `state`, `progress`, `report` until committed or rolled back
    rollback   application: activates its previous release (done.data: from, to)
    start      application: runs its committed release again, and waits until it is healthy (exit code 8 if it is not)
    stop       application: ends its worker until `start` or `activate`; a reboot does not start it
    remove     application: stops it, forgets it, and deletes releases that no other application needs
    settings   application, payload as with `activate`: done.data: a `SettingsAnswer` of the committed release, which
               says what the payload would change
    logs       application, follow, lines: events `log`; without an application those of all, and the keeper's
    metrics    application: done.data: text, without an application with the figures of all workers
    memory     application, sites, seconds: done.data: a `schema.memory.MemoryAnswer`. With `sites`, so many lines of
               Python code are in it, of those that allocated most in the `seconds` from now on; an event `progress`
               comes before the wait for that
    trace      application, seconds: has the worker record its scheduler, and waits for that. Then an event `progress`
               for each part, whose data is a `schema.trace.TracePiece`; done.data: application, bytes of the record
    clips      application: an event `progress` for each clip of its committed release's sinks, whose data is a
               `schema.clips.KeptClip`; done.data: application
    why        application: done.data: a `schema.incident.Incidents`, of it and of the board; empty: of any
    clip       application, sink, file, offset: done.data: a `schema.clips.ClipPiece`

    `rollback`, `start`, `stop`, `remove`, `memory`, `trace`, `clips` and `clip` may leave `application` empty where the
    device has only one. The first four take the lock, for `holder`, if this connection does not have it. They and
    `lock` take it from whoever has it with `break_lock`, and say whom they took it from as `progress`.
    """

    verb: Verb
    application: str = field(default="", metadata=MUST_UNDERSTAND)
    holder: str = ""
    lease: bool = False
    break_lock: bool = False
    digest: str = ""
    sha256: str = ""
    more: Annotated[tuple[str, ...], _MOST] = ()
    offset: int = 0
    encoding: Encoding = "raw"
    base: str = ""
    patch: str = ""
    size_bytes: int = 0
    payload_bytes: int = 0
    signature_bytes: int = 0
    follow: bool = False
    lines: int = 100
    sink: str = ""
    file: str = ""
    sites: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Message):
    """One line of an answer."""

    kind: Literal["progress", "state", "report", "log", "done", "error"] | NewerWord
    message: str = ""
    data: dict[str, object] = field(default_factory=dict)
    report: Report | None = None
    exit_code: Annotated[int, Between(0, 255)] = 0
    hint: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(Message):
    """The answer to `hello`."""

    keeper: str
    """Its version, for people."""
    protocol: Count
    keeper_sha256: str
    """Of the program that runs."""
    features: Annotated[tuple[str, ...], _MOST] = ()
    """What it can do: see `schema.control_features`."""
    trust_version: Count = 0
    """Of the trust file that is in force; 0: it has none, and its allowed_signers file counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBlob:
    """A blob to send, from `have_bytes` on: what an interrupted transfer brought is kept."""

    sha256: str
    have_bytes: _PartBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunPatch:
    """What an interrupted transfer brought of a patch, to be gone on with."""

    sha256: str
    """Of the file that it makes."""
    patch: str
    have_bytes: _PartBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing(Message):
    """The answer to `missing`: what of the offered release is not there."""

    missing: Annotated[tuple[MissingBlob, ...], _FILES] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(Message):
    """The answer to a manifest."""

    digest: str
    signer: str
    installed: bool
    current: bool
    missing: Annotated[tuple[MissingBlob, ...], _FILES]
    begun: Annotated[tuple[BegunPatch, ...], _FILES] = ()
    disk_free_bytes: ByteCount
    counter: Count = 0
    """Of the installed release's build, as the provenance there says; 0 where none is there."""
    warnings: Annotated[tuple[str, ...], _MOST] = ()
    """What its operator should know: keys that will soon be too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRef:
    """A release as people see it."""

    digest: str
    application: str
    version: str
    signer: str
    settings: str = ""
    """Digest of the settings that it runs with; empty where it has none."""
    counter: Count = 0
    """Of its build, as its provenance says; 0 where that is not known."""

    def same(self, other: ReleaseRef | None) -> bool:
        """Whether the other is the same release with the same settings."""
        return other is not None and (self.digest, self.settings) == (other.digest, other.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsAnswer(Message):
    """The answer to `settings`."""

    application: str
    digest: str = ""
    """Of the settings that the committed release runs with."""
    release: str
    """Digest of the committed release."""
    declared: dict[str, Setting] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)
    """What the board was given, without secrets."""
    secrets: tuple[str, ...] = ()
    """Names of those that it was given too."""
    changed: tuple[str, ...] = ()
    """What the values in the request would change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFailure:
    """Why a release was rolled back or a worker ended, with the evidence."""

    digest: str
    application: str
    version: str
    reason: str
    """One sentence."""
    probes: tuple[str, ...]
    """Each a figure against its limit: `fps 0.0 < min_fps 2.0`."""
    log_tail: tuple[str, ...]
    at_s: Seconds
    settings: str = ""
    """Digest of the settings that it was tried with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuShare:
    """CPUs on which another application's worker may run too."""

    application: str
    cpus: str
    """In the kernel's list format: `0-3,6`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationStatus:
    """One application on the device."""

    application: str
    phase: ActivationPhase | NewerWord
    current: ReleaseRef | None = None
    previous: ReleaseRef | None = None
    candidate: ReleaseRef | None = None
    healthy: bool = False
    unhealthy_because: tuple[str, ...] = ()
    """Every reason, each with value and limit; empty when healthy or when nothing shall run."""
    worker: WorkerStatus
    report: Report | None = None
    last_failure: ReleaseFailure | None = None
    shares_cpus: Annotated[tuple[CpuShare, ...], _MOST] = ()
    """Which other applications may use its CPUs."""
    accelerators: AcceleratorUse | None = None
    """What it may use of the board's; None from a keeper that does not look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Message):
    """Answer to `status`: the device, and each of its applications by name."""

    keeper: str
    keeper_pid: Count
    uptime_s: Amount
    applications: Annotated[tuple[ApplicationStatus, ...], _MOST]
    """Sorted by name."""
    locks: Annotated[dict[str, str], _MOST]
    """Who deploys which application now: `application -> USER@HOST`."""
    memory_total_bytes: ByteCount
    memory_promised_bytes: ByteCount
    """`memory_max` of all applications that run or shall run."""
    memory_reserve_bytes: ByteCount
    """Never promised: the system and the keeper need it."""
    store_bytes: ByteCount
    disk_free_bytes: ByteCount
    board: BoardTelemetry | None = None
    """What its sensors say; None from a keeper that reads none."""
    confinement: Confinement | None = None
    """None from a keeper that does not tell."""

    def find(self, application: str) -> ApplicationStatus | None:
        """One application; None where the device does not have it."""
        return next((found for found in self.applications if found.application == application), None)
