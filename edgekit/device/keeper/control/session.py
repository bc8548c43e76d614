"""The verbs: what one client asks for on one connection, and the answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from edgekit.device.keeper.control.clip_verbs import ClipVerbs
from edgekit.device.keeper.control.incoming import Incoming
from edgekit.device.keeper.control.lock_verbs import LockVerbs
from edgekit.device.keeper.control.locks import DeploymentLocks
from edgekit.device.keeper.control.log_verb import LogVerb
from edgekit.device.keeper.control.memory_verb import MemoryVerb
from edgekit.device.keeper.control.sign_of_life import SignOfLife
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.control.trace_verb import TraceVerb
from edgekit.device.keeper.control.trust_verbs import TrustVerbs
from edgekit.device.keeper.control.why_verbs import WhyVerbs
from edgekit.device.keeper.control.wire import Wire
from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.incidents.recorder import IncidentRecorder
from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.metrics import metrics_text
from edgekit.device.keeper.process.journal import Journal
from edgekit.device.keeper.status import Figures
from edgekit.device.keeper.update.board_settings import SettingsFiles
from edgekit.device.keeper.update.board_trust import Standing
from edgekit.device.keeper.update.patches import Patches
from edgekit.device.keeper.update.releases import Offered, Release, Releases
from edgekit.device.keeper.update.store import Store
from edgekit.errors import EdgekitError, InputError, NothingSelected
from edgekit.schema.control import Event, Offer, Request
from edgekit.schema.manifest import MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES
from edgekit.schema.message import to_message_data
from edgekit.schema.provenance import MAX_PROVENANCE_BYTES
from edgekit.schema.reader import to_raw
from edgekit.trust import check_digest_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the verbs act on."""

    disk: Filesystem
    keeper: Keeper
    releases: Releases
    settings: SettingsFiles
    store: Store
    patches: Patches
    journal: Journal
    recorder: IncidentRecorder
    figures: Figures
    locks: DeploymentLocks


class Session:
    """One client's connection: its offer, its locks."""

    def __init__(self, services: Services, wire: Wire) -> None:
        self.wire = wire
        self._to = services
        self._offered: Offered | None = None
        self._incoming = Incoming(services.patches, services.store)
        self._trust = TrustVerbs(services.releases.trust, services.keeper, services.journal)
        self._locks = LockVerbs(services.locks, self, wire, services.journal)
        self._skip_chunks = self._untidy = False
        self._clips = ClipVerbs(services.keeper, self._choose, self._committed)
        self._why = WhyVerbs(services.recorder, services.keeper)
        self._verbs: dict[str, Callable[[Request, bytearray], Iterator[Event]]] = {
            "hello": self._hello,
            "status": self._status,
            "lock": self._locks.lock,
            "offer": self._offer,
            "provenance": self._provenance,
            "trust": self._trust.trust,
            "permit": self._trust.permit,
            "chunk": self._piece,
            "patch": self._piece,
            "missing": self._missing,
            "install": self._install,
            "activate": self._activate,
            "rollback": self._rollback,
            "start": self._start,
            "stop": self._stop,
            "remove": self._remove,
            "settings": self._settings,
            "logs": LogVerb(services.journal, self._choose, lambda: wire.gone).logs,
            "metrics": self._metrics,
            "memory": MemoryVerb(services.keeper, self._choose, lambda: wire.gone).memory,
            "trace": TraceVerb(services.keeper, self._choose, lambda: wire.gone).trace,
            "clips": self._clips.clips,
            "clip": self._clips.clip,
            "why": self._why.why,
        }

    def answer(self, request: Request, payload: bytearray) -> Iterator[Event]:
        """Carry out one request.

        Raises:
            EdgekitError: it was refused or failed; the caller tells the client.
        """
        if request.verb == "ping":
            return
        if request.verb not in ("chunk", "patch"):
            self._skip_chunks = False
        elif self._skip_chunks:
            return
        try:
            yield from self._why.recorded(request, self._verbs[request.verb](request, payload), lambda: self._offered)
        finally:
            self._locks.rest()

    def keep_part(self, request: Request, come: bytearray) -> None:
        """Keep what had come of a piece when its client went away: the next connection goes on after it."""
        if come and request.verb in ("chunk", "patch") and not self._skip_chunks:
            with contextlib.suppress(EdgekitError, OSError):
                self._receive(request, come, cut=True)

    def tidy(self) -> None:
        """Delete what is no longer used; called when the client has its answer."""
        if not (self._untidy or self._to.releases.clearing.overdue):
            return
        if self._untidy:  # else what it has sent by now is still wanted
            self._to.releases.claims.drop(self)
        self._untidy = False
        self._to.keeper.folders.clear()
        try:
            self._to.releases.clearing.collect(self._to.keeper.references)
        except OSError as error:  # what is left goes later
            self._to.journal.write(f"keeper: not all that is unused could be deleted; it is tried again: {error}")

    @property
    def engaged(self) -> bool:
        """Whether the client is in the middle of something: it has a lock, or has offered a release."""
        return self._offered is not None or self._locks.held

    def close(self) -> None:
        """The client is gone."""
        self._locks.leave()
        self._to.releases.claims.drop(self)

    def _hello(self, _request: Request, _payload: bytearray) -> Iterator[Event]:
        yield Event(kind="done", data=to_message_data(self._to.figures.hello(self._to.releases.trust.version)))

    def _status(self, _request: Request, _payload: bytearray) -> Iterator[Event]:
        yield Event(kind="done", data=to_message_data(self._to.figures.status(self._to.locks.holders)))

    def _metrics(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        figures = self._to.figures
        workers = [self._choose(request)] if request.application else self._to.keeper.names
        status = figures.status(self._to.locks.holders, with_metrics=True)
        yield _done(text=metrics_text(status, figures.looked(), workers))

    def _offer(self, request: Request, payload: bytearray) -> Iterator[Event]:
        split = len(payload) - request.signature_bytes
        if not (0 <= request.signature_bytes <= MAX_SIGNATURE_BYTES and 0 <= split <= MAX_MANIFEST_BYTES):
            raise InputError("manifest or signature is too large", hint="build the release again")
        signature = bytes(payload[split:])
        del payload[split:]  # a manifest may be large: there is never more than one copy of it
        manifest_json = bytes(payload)
        payload.clear()
        if request.size_bytes:
            manifest_json = self._to.patches.manifest(request.base, request.size_bytes, manifest_json, request.encoding)
        offered = self._to.releases.open_offer(manifest_json, signature)
        application, requires = offered.manifest.application, offered.manifest.requires
        self._to.keeper.check_room(application, requires)
        self._to.releases.claims.put(self, offered.digest, offered.sizes, len(manifest_json))
        self._offered = offered
        doubtful = self._to.keeper.runs_badly(application, offered.digest)
        alive = SignOfLife(self.wire.send, self._to.store.clock, "reading files that are there")
        installed = self._to.releases.installed(offered.digest, read=doubtful, alive=alive)
        missing = () if installed else self._to.store.missing(offered.sizes, application, alive)
        if missing:
            self._to.patches.remember(application, offered.digest, manifest=manifest_json)
        current = self._to.keeper.current(application)
        offer = Offer(
            digest=offered.digest,
            signer=offered.signer,
            installed=installed,
            current=current is not None and current.digest == offered.digest,
            missing=missing,
            begun=self._to.patches.begun(application, offered.sizes) if missing else (),
            disk_free_bytes=self._to.store.free_bytes,
            counter=self._to.releases.counter(offered.digest) if installed else 0,
            warnings=offered.warnings,
        )
        yield Event(kind="done", data=to_message_data(offer))

    def _provenance(self, request: Request, payload: bytearray) -> Iterator[Event]:
        if self._offered is None:
            raise NothingSelected("no release was offered on this connection", hint="edgekit deploy offers it first")
        split = len(payload) - request.signature_bytes
        if not (0 <= request.signature_bytes <= MAX_SIGNATURE_BYTES and 0 <= split <= MAX_PROVENANCE_BYTES):
            raise InputError("the provenance or its signature is too large", hint="build the release again")
        application, statement = self._offered.manifest.application, bytes(payload[:split])
        if request.size_bytes:
            statement = self._to.patches.statement(
                request.base, request.size_bytes, statement, request.sha256, request.encoding
            )
        self._offered, signer = self._to.releases.open_statement(
            self._offered, statement, bytes(payload[split:]), self._trust.standing(application)
        )
        if not self._to.releases.installed(self._offered.digest):
            self._to.patches.remember(application, self._offered.digest, statement=statement)
        yield _done(signer=signer)

    def _piece(self, request: Request, payload: bytearray) -> Iterator[Event]:
        try:
            self._receive(request, payload)
        except (EdgekitError, OSError):
            self._skip_chunks = True
            raise
        yield from ()

    def _missing(self, _request: Request, _payload: bytearray) -> Iterator[Event]:
        if self._offered is None:
            raise NothingSelected("no release was offered on this connection", hint="edgekit deploy offers it first")
        self._locks.need(self._offered.manifest.application)
        yield from self._incoming.missing(self._offered)

    def _receive(self, request: Request, payload: bytearray, *, cut: bool = False) -> None:
        """Take what a piece brings for a blob of the offered release, under its application's lock."""
        offered = self._offered
        named = [offered.blobs.find(begin) if offered else None for begin in (request.sha256, *request.more)]
        blobs = [sha256 for sha256 in named if sha256 is not None]
        if offered is None or len(blobs) < len(named):
            begin = (request.sha256, *request.more)[named.index(None)]
            message = f"blob {begin[:12]!r} is in no release offered on this connection"
            raise InputError(message, hint="offer the release first")
        self._locks.need(offered.manifest.application)
        self._incoming.receive(offered, blobs, request, payload, cut=cut)

    def _install(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        digest = check_digest_name(request.digest)
        if self._offered and self._offered.digest == digest:
            self._locks.need(self._offered.manifest.application)
        if not self._to.releases.installed(digest):
            if self._offered is None or self._offered.digest != digest:
                raise NothingSelected(
                    f"release {digest[:12]} was not offered on this connection", hint="edgekit deploy offers it first"
                )
            yield Event(kind="progress", message="checking and laying out files")
        if self._offered and self._offered.digest == digest:
            self._to.releases.install(self._offered)
            self._to.patches.forget(self._offered.manifest.application)
        yield _done(digest=digest)

    def _activate(self, request: Request, payload: bytearray) -> Iterator[Event]:
        digest = check_digest_name(request.digest)
        self._to.releases.claims.put(self, digest)
        release = self._to.releases.trusted(digest, self._standing)
        self._trust.keep_floor(release.ref.application, signed_s=release.signed_s, ends_s=release.ends_s)
        current, settings = self._to.keeper.current(release.ref.application), self._to.settings
        release = settings.given(release, bytes(payload), current) if payload else settings.kept(release, current)
        yield from self._change(release.ref.application, lambda: self._try(release), {"digest": digest})

    def _rollback(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        application = self._choose(request)
        yield from self._locks.locked(application, request)
        found = self._to.keeper.application(application)
        if found is None or found.state.previous is None:
            message = f"there is no release of {application} to go back to"
            raise NothingSelected(message, hint="edgekit deploy another release")
        current, previous = found.state.current, found.state.previous
        # What has changed in the board since belongs to it, and not to the release.
        release = self._to.settings.kept(self._to.releases.trusted(previous.digest, going_back=True), current, previous)
        outcome = {"from": to_raw(current), "to": to_raw(release.ref)}
        yield from self._change(application, lambda: self._try(release), outcome)

    def _start(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        application = self._choose(request)
        yield from self._locks.locked(application, request)
        yield from self._change(application, lambda: self._to.keeper.start(application))

    def _stop(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        application = self._choose(request)
        yield from self._locks.locked(application, request)
        yield from self._change(application, lambda: self._to.keeper.stop(application))

    def _remove(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        application = self._choose(request)
        self._untidy = True
        yield from self._locks.locked(application, request)
        self._trust.keep_floor(application)
        yield from self._change(application, lambda: self._to.keeper.remove(application))

    def _settings(self, request: Request, payload: bytearray) -> Iterator[Event]:
        release = self._committed(self._choose(request))
        answer = self._to.settings.answer(release.ref, release.plan, bytes(payload))
        yield Event(kind="done", data=to_message_data(answer))

    def _committed(self, application: str) -> Release:
        """The application's committed release. Raises NothingSelected where it has none."""
        current = self._to.keeper.current(application)
        if current is None:
            raise NothingSelected(f"{application} has no committed release", hint="edgekit deploy a release of it")
        return self._to.releases.committed(current)

    def _standing(self, application: str) -> Standing:
        """What decides about a release; under the lock, so that nobody commits another one behind the decision."""
        self._locks.need(application)
        return self._trust.standing(application)

    def _try(self, release: Release) -> Ticket:
        self._untidy = True
        return self._to.keeper.activate(release)

    def _change(
        self, application: str, ask: Callable[[], Ticket], outcome: dict[str, object] | None = None
    ) -> Iterator[Event]:
        """Have something done under the application's lock, and wait for the outcome whether or not the client does.

        The lock is given back before the client learns the outcome: what it, or somebody else, asks for next is free.
        """
        self._locks.need(application)
        try:
            for event in ask().events():
                if event.kind == "done":
                    self._locks.release(application)
                    yield replace(event, data=outcome or {"application": application})
                else:
                    yield event
        finally:
            self._locks.release(application)

    def _choose(self, request: Request) -> str:
        """The application that a request is about: the named one, or the only one there is.

        Raises:
            NothingSelected: there is none, none of that name, or none is named and there are several.
        """
        names = self._to.keeper.names
        if request.application in names:
            return request.application
        if not request.application and len(names) == 1:
            return names[0]
        if not names:
            raise NothingSelected("the device has no application", hint="edgekit deploy a release")
        listed = ", ".join(names)
        if request.application:
            message = f"there is no application {request.application[:80]!r} on the device"
            raise NothingSelected(message, hint=f"it has: {listed}")
        raise NothingSelected(f"the device has several applications: {listed}", hint="name one of them")


def _done(**data: object) -> Event:
    return Event(kind="done", data=data)
