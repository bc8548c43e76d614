"""The verbs: what one client asks for on one connection, and the answers."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edgekit.device.keeper.control.wire import Wire
from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.metrics import metrics_text
from edgekit.device.keeper.process.journal import Journal
from edgekit.device.keeper.status import Figures
from edgekit.device.keeper.update.releases import Offered, Release, Releases
from edgekit.device.keeper.update.store import Chunk, Store
from edgekit.errors import EdgekitError, InputError, LockHeld, NothingSelected
from edgekit.schema.control import FEATURES, PROTOCOL, Event, Hello, Offer, Request
from edgekit.schema.manifest import MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES
from edgekit.schema.message import to_message_data
from edgekit.schema.reader import to_raw
from edgekit.trust import check_digest_name

_FOLLOW_S = 2.0


class DeploymentLock:
    """Who may change what is installed: one connection at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: Session | None = None
        self.holder = ""
        """The name that the owner gave, or empty."""

    def take(self, owner: Session, holder: str) -> None:
        """Take the lock, or keep it.

        Raises:
            LockHeld: somebody else has it; the message names them.
        """
        with self._guard:
            if self._owner not in (None, owner):
                raise LockHeld(
                    f"the device is being deployed to by {self.holder}",
                    hint="wait for it, or ask them to stop",
                    holder=self.holder,
                )
            self.holder = holder or self.holder or "somebody"
            self._owner = owner

    def release(self, owner: Session) -> None:
        """Give the lock back where this connection has it."""
        with self._guard:
            if self._owner is owner:
                self._owner, self.holder = None, ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the verbs act on."""

    keeper: Keeper
    releases: Releases
    store: Store
    journal: Journal
    figures: Figures
    lock: DeploymentLock


class Session:
    """One client's connection: its offer, its lock."""

    def __init__(self, services: Services, wire: Wire) -> None:
        self.wire = wire
        self._to = services
        self._offered: Offered | None = None
        self._skip_chunks = False
        self._verbs: dict[str, Callable[[Request, bytearray], Iterator[Event]]] = {
            "hello": self._hello,
            "status": self._status,
            "lock": self._lock,
            "offer": self._offer,
            "chunk": self._chunk,
            "install": self._install,
            "activate": self._activate,
            "rollback": self._rollback,
            "stop": self._stop,
            "logs": self._logs,
            "metrics": self._metrics,
        }

    def answer(self, request: Request, payload: bytearray) -> Iterator[Event]:
        """Carry out one request.

        Raises:
            EdgekitError: it was refused or failed; the caller tells the client.
        """
        if request.verb != "chunk":
            self._skip_chunks = False
        elif self._skip_chunks:
            return
        yield from self._verbs[request.verb](request, payload)

    def close(self) -> None:
        """The client is gone."""
        self._to.lock.release(self)

    def _hello(self, _request: Request, _payload: bytearray) -> Iterator[Event]:
        figures = self._to.figures
        hello = Hello(keeper=figures.version, protocol=PROTOCOL, keeper_sha256=figures.keeper_sha256, features=FEATURES)
        yield Event(kind="done", data=to_message_data(hello))

    def _status(self, _request: Request, _payload: bytearray) -> Iterator[Event]:
        yield Event(kind="done", data=to_message_data(self._to.figures.status(self._to.lock.holder)))

    def _metrics(self, _request: Request, _payload: bytearray) -> Iterator[Event]:
        view, figures = self._to.keeper.view(), self._to.figures
        status = figures.status(self._to.lock.holder)
        yield _done(text=metrics_text(status, view.report, figures.memory_pressure()))

    def _lock(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        self._to.lock.take(self, request.holder[:200])
        yield _done()

    def _offer(self, request: Request, payload: bytearray) -> Iterator[Event]:
        split = len(payload) - request.signature_bytes
        if not (0 <= request.signature_bytes <= MAX_SIGNATURE_BYTES and 0 <= split <= MAX_MANIFEST_BYTES):
            raise InputError("manifest or signature is too large", hint="build the release again")
        offered = self._to.releases.open_offer(bytes(payload[:split]), bytes(payload[split:]))
        self._offered = offered
        installed = self._to.releases.installed(offered.digest)
        current = self._to.keeper.view().state.current
        offer = Offer(
            digest=offered.digest,
            signer=offered.signer,
            installed=installed,
            current=current is not None and current.digest == offered.digest,
            missing=() if installed else self._to.store.missing(offered.sizes),
            disk_free_bytes=self._to.store.free_bytes,
        )
        yield Event(kind="done", data=to_message_data(offer))

    def _chunk(self, request: Request, payload: bytearray) -> Iterator[Event]:
        try:
            self._change()
            size = self._offered.sizes.get(request.sha256) if self._offered else None
            if size is None:
                raise InputError(
                    f"blob {request.sha256[:12]!r} is in no release offered on this connection",
                    hint="offer the release first",
                )
            data = bytes(payload) if request.encoding == "raw" else _inflate(payload, size - request.offset)
            self._to.store.receive(Chunk(sha256=request.sha256, size_bytes=size, offset=request.offset, data=data))
        except (EdgekitError, OSError):
            self._skip_chunks = True
            raise
        yield from ()

    def _install(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        self._change()
        digest = check_digest_name(request.digest)
        if not self._to.releases.installed(digest):
            if self._offered is None or self._offered.digest != digest:
                raise NothingSelected(
                    f"release {digest[:12]} was not offered on this connection", hint="edgekit deploy offers it first"
                )
            yield Event(kind="progress", message="checking and laying out files")
            self._to.releases.install(self._offered)
        yield _done(digest=digest)

    def _activate(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        self._change()
        release = self._to.releases.trusted(check_digest_name(request.digest))
        yield from self._try(release, {"digest": release.ref.digest})

    def _rollback(self, _request: Request, _payload: bytearray) -> Iterator[Event]:
        self._change()
        state = self._to.keeper.view().state
        if state.previous is None:
            raise NothingSelected("there is no release to go back to", hint="edgekit deploy another release")
        release = self._to.releases.trusted(state.previous.digest)
        yield from self._try(release, {"from": to_raw(state.current), "to": to_raw(release.ref)})

    def _try(self, release: Release, outcome: dict[str, object]) -> Iterator[Event]:
        """Activate, wait for the outcome whether or not the client does, then clear out what nobody needs."""
        for event in self._to.keeper.activate(release).events():
            yield replace(event, data=outcome) if event.kind == "done" else event
        state = self._to.keeper.view().state
        kept = (state.current, state.previous, state.candidate)
        try:
            self._to.releases.collect(ref.digest for ref in kept if ref)
        except OSError as error:  # the client has its answer; what is left goes with the next commit
            self._to.journal.write(f"keeper: could not clear out: {error}")

    def _stop(self, _request: Request, _payload: bytearray) -> Iterator[Event]:
        self._change()
        yield from self._to.keeper.stop().events()

    def _logs(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        seen = self._to.journal.count
        lines = self._to.journal.tail(request.lines)
        while True:
            for line in lines:
                seen = max(seen, line.number)
                yield Event(kind="log", message=line.text, data={"at_s": line.at_s})
            if not request.follow or self.wire.gone:
                break
            self._to.journal.wait(seen, _FOLLOW_S)
            lines = self._to.journal.tail(request.lines or 100, after=seen)
        yield _done()

    def _change(self) -> None:
        """Before anything that changes the device: take the lock, or be the one who has it."""
        self._to.lock.take(self, "")


def _done(**data: object) -> Event:
    return Event(kind="done", data=data)


def _inflate(payload: bytearray, limit: int) -> bytes:
    """Decompress at most `limit` bytes: a piece cannot grow past its blob.

    Raises:
        InputError: not zlib's format, cut short, or larger than what is left of the blob.
    """
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(payload, max(1, limit))
    except zlib.error as error:
        raise InputError(f"a piece is damaged: {error}", hint="deploy again") from None
    if not inflater.eof or len(data) > limit:
        raise InputError("a piece does not fit its blob", hint="deploy again")
    return data
