"""A client of a keeper that offers a release and listens, without a socket."""

from __future__ import annotations

from edgekit.device.keeper.control.session import Session
from edgekit.schema.control import Event, Request
from tests.fakes.keeper import Bench
from tests.fakes.releases import FakeRelease


class Ear:
    """Hears what comes before an answer."""

    gone = False

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def send(self, event: Event) -> None:
        """As `Wire.send`."""
        self.heard.append(event)

    def offer(self, bench: Bench, release: FakeRelease) -> dict[str, object]:
        """The answer's data, an `Offer`'s."""
        request = Request(verb="offer", signature_bytes=len(release.signature), payload_bytes=0)
        session = Session(bench.services(), self)  # type: ignore[arg-type]
        (event,) = session.answer(request, bytearray(release.manifest_json + release.signature))
        session.close()
        assert event.kind == "done"
        return dict(event.data)
