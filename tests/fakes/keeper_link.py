"""An executor with a keeper behind it that answers as `schema.control` says, and a link that breaks on command."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from edgekit.device.keeper.clips import ClipShelf
from edgekit.device.keeper.control.listener import error_event
from edgekit.errors import EdgekitError, Unreachable
from edgekit.executor import Completed
from edgekit.schema.answer import ANSWER_MARK
from edgekit.schema.control import (
    PROTOCOL,
    ApplicationStatus,
    BegunPatch,
    Event,
    Missing,
    MissingBlob,
    Offer,
    ReleaseFailure,
    ReleaseRef,
    Request,
    Status,
)
from edgekit.schema.control_features import FEATURES
from edgekit.schema.digests import DigestIndex
from edgekit.schema.manifest import Manifest
from edgekit.schema.message import from_message, to_line, to_message_data
from edgekit.schema.patch import PATCH_NAME_CHARS
from edgekit.schema.telemetry import BoardTelemetry
from edgekit.schema.worker_status import WorkerStatus
from edgekit.trust import sha256_bytes
from tests.fakes.patching import patched

WORKER = WorkerStatus(
    pid=7,
    state="running",
    restarts=0,
    last_exit="",
    oom_kills=0,
    memory_current=1 << 20,
    memory_peak=2 << 20,
    memory_max=64 << 20,
    cpuset_cpus="0",
    limits="enforced",
    limits_note="",
)
APPLICATION = ApplicationStatus(application="sorter", phase="idle", worker=WORKER)
STATUS = Status(
    keeper="0.1.0",
    keeper_pid=5,
    uptime_s=9.0,
    applications=(),
    locks={},
    memory_total_bytes=1 << 30,
    memory_promised_bytes=0,
    memory_reserve_bytes=64 << 20,
    store_bytes=0,
    disk_free_bytes=1 << 30,
)


@dataclass(slots=True)
class FakeLink:
    """Keeper and link in one; an `Executor`. Set its fields to have it behave."""

    protocol: int = PROTOCOL
    features: tuple[str, ...] = FEATURES
    trust_version: int = 0
    application: ApplicationStatus | None = None
    """What runs there."""
    board: BoardTelemetry | None = None
    """What its sensors say."""
    locks: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    """What has arrived, whole or not."""
    breaks: list[tuple[str, int]] = field(default_factory=list)
    """(verb, n): the link breaks at the n-th request of that verb from then on, before the keeper sees it."""
    breaks_after: list[str] = field(default_factory=list)
    """Verbs that the keeper still gets, but whose answer is lost."""
    locked_by: list[str] = field(default_factory=list)
    """Who has the lock at each of the next tries to take it."""
    refuse: dict[str, Event] = field(default_factory=dict)
    """Errors instead of answers, by verb."""
    says: str = ""
    """What stands on standard error where no keeper answers."""
    greeting: str = ""
    """What the login shell prints before the keeper is reached."""
    shelf: ClipShelf | None = None
    """What its clips are read by."""
    patches: dict[str, bytes] = field(default_factory=dict)
    """What has come of patches, by what they make."""
    patch_names: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    name: str = "fake"
    _manifest: Manifest | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        raise NotImplementedError

    def open(self, argv: Sequence[str]) -> FakeStream:
        """A new connection."""
        assert list(argv[-3:-1]) == ["connect", "--prefix"]
        self.connections += 1
        return FakeStream(self)

    def close(self) -> None:
        """The connection is given up."""
        self.closed += 1

    @property
    def status(self) -> Status:
        """What `status` answers."""
        applications = (self.application,) if self.application else ()
        return replace(STATUS, applications=applications, locks=self.locks, board=self.board)

    def verbs(self) -> list[str]:
        """What was asked, repetitions left out."""
        verbs = [request.verb for request in self.asked]
        return [verb for last, verb in zip(["", *verbs], verbs, strict=False) if verb != last]

    def answer(self, request: Request, payload: bytes) -> list[Event]:
        """What a keeper answers."""
        self.asked.append(request)
        if request.verb in self.refuse:
            return [self.refuse[request.verb]]
        data: object = {}
        match request.verb:
            case "hello":
                data = {
                    "keeper": "0.1.0",
                    "protocol": self.protocol,
                    "keeper_sha256": "ab",
                    "features": list(self.features),
                    "trust_version": self.trust_version,
                }
            case "status":
                data = to_message_data(self.status)
            case "lock" if self.locked_by:
                holder = self.locked_by.pop(0)
                message = f"sorter is being deployed to the device by {holder}"
                return [Event(kind="error", message=message, exit_code=9, hint="wait", data={"holder": holder})]
            case "offer":
                data = to_message_data(self._offer(request, payload[: len(payload) - request.signature_bytes]))
            case "ping":
                return []
            case "chunk" | "patch":
                request = self._whole_names(request, payload)
                self._chunk(request, payload) if request.verb == "chunk" else self._patch(request, payload)
                return []
            case "missing":
                data = to_message_data(Missing(missing=self._missing()))
            case "activate":
                return self._activate(request)
            case "clips" if self.shelf:
                listed = [Event(kind="progress", data=to_message_data(clip)) for clip in self.shelf.clips()]
                return [*listed, Event(kind="done", data={"application": "sorter"})]
            case "clip" if self.shelf:
                try:
                    data = to_message_data(self.shelf.piece(request.sink, request.file, request.offset))
                except EdgekitError as error:
                    return [error_event(error)]
        assert isinstance(data, dict)
        return [Event(kind="done", data=data)]

    def must_break(self, verb: str) -> bool:
        """Whether the link breaks now."""
        for number, (when, left) in enumerate(self.breaks):
            if when == verb:
                self.breaks[number] = (when, left - 1)
                if left == 1:
                    del self.breaks[number]
                    return True
        return False

    def fail(self, digest: str, at_s: float) -> None:
        """The release is rolled back."""
        failure = ReleaseFailure(
            digest=digest, application="sorter", version="1", reason="no", probes=("fps 0",), log_tail=("x",), at_s=at_s
        )
        self.application = replace(
            self.application or APPLICATION, phase="running", candidate=None, last_failure=failure
        )

    def commit(self, digest: str) -> None:
        """The release is the current one."""
        ref = ReleaseRef(digest=digest, application="sorter", version="1", signer="ann")
        self.application = replace(
            self.application or APPLICATION, phase="running", current=ref, candidate=None, healthy=True
        )

    def _offer(self, request: Request, manifest_json: bytes) -> Offer:
        if request.encoding == "zlib":
            manifest_json = zlib.decompress(manifest_json)
        elif request.size_bytes:
            base = self.manifests[request.base] if request.base else b""
            manifest_json = patched(base, manifest_json, request.size_bytes)
        self._manifest = from_message(Manifest, manifest_json, "manifest")
        self.manifests[sha256_bytes(manifest_json)] = manifest_json
        begun = tuple(
            BegunPatch(sha256=sha256, patch=self.patch_names[sha256], have_bytes=len(data))
            for sha256, data in self.patches.items()
        )
        return Offer(
            digest=sha256_bytes(manifest_json),
            signer="ann",
            installed=False,
            current=False,
            missing=self._missing(),
            begun=begun,
            disk_free_bytes=1 << 30,
        )

    def _missing(self) -> tuple[MissingBlob, ...]:
        assert self._manifest is not None
        missing = {
            entry.sha256: MissingBlob(sha256=entry.sha256, have_bytes=len(self.blobs.get(entry.sha256, b"")))
            for entry in self._manifest.files
            if len(self.blobs.get(entry.sha256, b"")) < entry.bytes
        }
        return tuple(missing.values())

    def _whole_names(self, request: Request, payload: bytes) -> Request:
        """The request with whole digests and a patch's head, which it may leave out."""
        assert self._manifest is not None
        index = DigestIndex({entry.sha256 for entry in self._manifest.files})
        sha256, *more = map(index.find, (request.sha256, *request.more))
        assert sha256
        base = next((blob for blob in self.blobs if request.base and blob.startswith(request.base)), request.base)
        if request.verb == "patch" and not request.patch:
            name = sha256_bytes(payload)[:PATCH_NAME_CHARS]
            request = replace(request, patch=name, size_bytes=len(payload))
        return replace(request, sha256=sha256, base=base, more=tuple(one for one in more if one))

    def _patch(self, request: Request, payload: bytes) -> None:
        have = self.patches.get(request.sha256, b"")
        assert request.offset == len(have), "a piece that does not go on where the last one ended"
        self.patches[request.sha256] = have + payload
        self.patch_names[request.sha256] = request.patch
        if len(self.patches[request.sha256]) == request.size_bytes:
            self._patched(request)

    def _patched(self, request: Request) -> None:
        assert self._manifest is not None
        size = next(entry.bytes for entry in self._manifest.files if entry.sha256 == request.sha256)
        patch = self.patches.pop(request.sha256)
        if request.base in (*self.blobs, ""):
            self.blobs[request.sha256] = patched(self.blobs.get(request.base, b""), patch, size)

    def _chunk(self, request: Request, payload: bytes) -> None:
        assert self._manifest is not None
        have = self.blobs.get(request.sha256, b"")
        assert request.offset == len(have), "a piece that does not go on where the last one ended"
        plain = have + (zlib.decompress(payload) if request.encoding == "zlib" else payload)
        sizes = {entry.sha256: entry.bytes for entry in self._manifest.files}
        for sha256 in (request.sha256, *request.more):
            size = sizes[sha256] if request.more else len(plain)
            self.blobs[sha256], plain = plain[:size], plain[size:]

    def _activate(self, request: Request) -> list[Event]:
        self.commit(request.digest)
        return [Event(kind="state", message="activating"), Event(kind="done", message="committed")]


class FakeStream:
    """One connection, as `Executor.open` gives it."""

    def __init__(self, link: FakeLink) -> None:
        self._link = link
        self._in = bytearray()
        self._out = bytearray(b"" if link.says else f"{link.greeting}\n{ANSWER_MARK}\n".encode())
        self._broken = False
        self._timeout: float | None = None

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        self._in += data
        while not self._broken and (end := self._in.find(b"\n") + 1):
            request = from_message(Request, bytes(self._in[:end]), "request")
            if len(self._in) < end + request.payload_bytes:
                return
            payload = bytes(self._in[end : end + request.payload_bytes])
            del self._in[: end + request.payload_bytes]
            self._serve(request, payload)
        if self._broken:
            raise Unreachable("the connection broke", hint="try again")

    def _serve(self, request: Request, payload: bytes) -> None:
        if self._link.must_break(request.verb):
            self._broken = True
        elif not self._link.says:
            events = self._link.answer(request, payload)
            if request.verb in self._link.breaks_after:
                self._link.breaks_after.remove(request.verb)
                self._broken = True
                return
            self._out += b"".join(map(to_line, events))

    def readline(self, limit: int) -> bytes:
        """See `Stream.readline`."""
        end = self._out.find(b"\n") + 1
        line = bytes(self._out[:end])
        del self._out[:end]
        if not line and not self._link.says:
            raise Unreachable("the connection broke" if self._broken else "no answer in time", hint="try again")
        return line

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        raise NotImplementedError

    def receive(self, limit: int) -> bytes:
        """See `Stream.receive`."""
        raise NotImplementedError

    def settimeout(self, seconds: float | None) -> None:
        """See `Stream.settimeout`."""
        self._timeout = seconds

    def errors(self) -> str:
        """See `Stream.errors`."""
        return self._link.says

    def close(self) -> None:
        """See `Stream.close`."""
        self._broken = True
