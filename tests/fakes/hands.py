"""A client that speaks the session's verbs without a socket; the keeper's loop turns meanwhile."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

from edgekit.device.keeper.control.locks import DeploymentLocks
from edgekit.device.keeper.control.session import Session
from edgekit.device.keeper.control.wire import Wire
from edgekit.errors import EdgekitError
from edgekit.schema.control import Event, Offer, Request, Verb
from edgekit.schema.message import from_message_data
from tests.fakes.keeper import Bench, pulse
from tests.fakes.releases import FakeRelease


class Hands:
    """One connection of somebody who may speak with the keeper: what else they have is up to the test."""

    def __init__(self, bench: Bench, locks: DeploymentLocks | None = None) -> None:
        """Connect; to a keeper that others hold the same locks of, where `locks` are given."""
        self._bench = bench
        bench.starter.on_start = pulse
        ours, theirs = socket.socketpair()
        ours.close()
        services = bench.services()
        self._session = Session(replace(services, locks=locks or services.locks), Wire(theirs))

    def ask(self, verb: Verb, payload: bytes = b"", **fields: object) -> dict[str, object]:
        """Have a request carried out. Raises what the keeper refuses it with."""
        request = Request(verb=verb, payload_bytes=len(payload), **fields)  # type: ignore[arg-type]
        events: list[Event] = []
        refused: list[EdgekitError] = []

        def work() -> None:
            try:
                events.extend(self._session.answer(request, bytearray(payload)))
            except EdgekitError as error:
                refused.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            self._bench.turn()
            thread.join(0.001)
        self._session.tidy()
        if refused:
            raise refused[0]
        return events[-1].data if events else {}

    def offer(self, release: FakeRelease) -> Offer:
        """Offer a release."""
        payload = release.manifest_json + release.signature
        return from_message_data(Offer, self.ask("offer", payload, signature_bytes=len(release.signature)), "offer")

    def state(self, statement: tuple[bytes, bytes]) -> None:
        """Say how the offered release was made."""
        self.ask("provenance", b"".join(statement), signature_bytes=len(statement[1]))

    def deploy(self, release: FakeRelease, statement: tuple[bytes, bytes] | None = None, permit: bytes = b"") -> None:
        """Do all that a deployment does. Raises what the keeper refuses it with."""
        if permit:
            self.ask("permit", permit)
        offer = self.offer(release)
        if statement:
            self.state(statement)
        for blob in offer.missing:
            data = release.blobs[blob.sha256]
            self.ask("chunk", data[blob.have_bytes :], sha256=blob.sha256, offset=blob.have_bytes)
        self.ask("install", digest=release.digest)
        self.ask("activate", digest=release.digest)
