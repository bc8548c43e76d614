"""Brings a device what it believes next: later versions of its trust file, and a permit for an older release."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from edgekit.host.link.client import KeeperClient
from edgekit.host.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingTrust:
    """What there is of it on this machine."""

    after: Callable[[int], tuple[bytes, ...]] = lambda _: ()
    """The versions that follow one, in order."""
    newest_version: Callable[[], int] = lambda: 0
    permit: bytes = b""
    """Signed; empty: none is to be brought."""

    def bring(self, keeper: KeeperClient, name: str, progress: Progress) -> None:
        """Have a device follow to the newest version, where it has an older one.

        Provisioning brings the first. A device that says it has a version that was never made is only told of: it may
        lie, or belong to somebody who has a newer trust file.

        Raises:
            TrustError: the device does not follow.
        """
        there = keeper.trust_version
        if not keeper.can("trust") or not there:
            return
        newest = self.newest_version()
        if there > newest:
            here = f"the newest here is {newest}" if newest else "here is none"
            progress.note(f"{name} says it has version {there} of its trust file; {here}")
        for version in self.after(there):
            keeper.ask("trust", payload=version)

    def bring_permit(self, keeper: KeeperClient) -> None:
        """Before the release that it is for is offered. Raises TrustError where the device refuses it."""
        if self.permit:
            keeper.check_can("trust", "take permits")
            keeper.ask("permit", payload=self.permit)


def counter_of(statement: bytes) -> int:
    """Of the build that a statement is about; 0 where it says nothing of it. The device judges it, not this."""
    try:
        return int(json.loads(statement)["predicate"]["runDetails"]["metadata"]["counter"])
    except (ValueError, KeyError, TypeError):
        return 0
