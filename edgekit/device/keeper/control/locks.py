"""Who may change an application: one connection at a time. Two people can deploy two applications at once."""

from __future__ import annotations

import threading

from edgekit.errors import LockHeld
from edgekit.schema.plain_text import plain_text

MAX_LOCKS = 64
"""Of all connections together: one client cannot make the keeper grow with names."""


class DeploymentLocks:
    """One lock per application."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: dict[str, tuple[object, str]] = {}

    @property
    def holders(self) -> dict[str, str]:
        """Who holds which application's lock: the names that they gave."""
        with self._guard:
            return {application: holder for application, (_, holder) in self._held.items()}

    def take(self, application: str, owner: object, holder: str) -> None:
        """Take an application's lock, or keep it.

        Raises:
            LockHeld: somebody else has it, whom the message names; or too many are held.
        """
        with self._guard:
            if application not in self._held and len(self._held) >= MAX_LOCKS:
                raise LockHeld(f"{MAX_LOCKS} applications are being deployed already", hint="try again soon")
            found, name = self._held.get(application, (owner, ""))
            if found is not owner:
                raise LockHeld(
                    f"{application} is being deployed to the device by {name}",
                    hint="wait for it, or ask them to stop",
                    holder=name,
                )
            self._held[application] = owner, plain_text(holder) or name or "somebody"

    def release(self, owner: object, application: str | None = None) -> None:
        """Give one lock back, or all, where this connection has them."""
        with self._guard:
            self._held = {
                name: held
                for name, held in self._held.items()
                if held[0] is not owner or application not in (None, name)
            }
