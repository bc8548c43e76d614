"""What one client brings of trust: a later trust file, a permit; and what decides about the releases that it offers."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.process.journal import Journal
from edgekit.device.keeper.update.board_trust import BoardTrust, Standing
from edgekit.schema.control import Event, Request
from edgekit.schema.trust import DowngradePermit


class TrustVerbs:
    """Of one connection: a permit counts for it alone."""

    def __init__(self, trust: BoardTrust, keeper: Keeper, journal: Journal) -> None:
        self._board = trust
        self._keeper = keeper
        self._journal = journal
        self._given: DowngradePermit | None = None

    def trust(self, _request: Request, payload: bytearray) -> Iterator[Event]:
        """Follow to a later version."""
        found = self._board.follow(bytes(payload))
        self._journal.write(f"keeper: trust file version {found.version} is in force")
        yield Event(kind="done", data={"version": found.version})

    def permit(self, _request: Request, payload: bytearray) -> Iterator[Event]:
        """Take a permit for what is offered next."""
        self._given = self._board.permit(bytes(payload))
        yield Event(kind="done")

    def standing(self, application: str) -> Standing:
        """What decides about a release of an application: what was committed of it here, whatever became of it."""
        found = self._keeper.application(application)
        current, previous = (found.state.current, found.state.previous) if found else (None, None)
        kept = self._board.floors().counters.get(application, 0)
        return Standing(
            floor=max(kept, *(ref.counter if ref else 0 for ref in (current, previous))),
            permit=self._given,
            current=current.digest if current else "",
        )

    def keep_floor(self, application: str, *, signed_s: int = 0, ends_s: int = 0) -> None:
        """Before an application's releases change: what was committed stays known. See `BoardTrust.keep_floor`."""
        self._board.keep_floor(application, self.standing(application).floor, signed_s=signed_s, ends_s=ends_s)
