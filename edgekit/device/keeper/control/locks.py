"""Who may change an application: one connection at a time. Two people can deploy two applications at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edgekit.errors import LockHeld
from edgekit.schema.plain_text import plain_text

MAX_LOCKS = 64
"""Of all connections together: one client cannot make the keeper grow with names."""
BREAK_S = 10.0
"""How long who breaks a lock waits for what is just being done under it: two must never write the same files."""
_ON_TRIAL = "a new keeper is on trial on the device, and would be judged by what is changed now: nothing is changed"
_AFTER_TRIAL = "wait some minutes until it has passed or is taken back, and try again; or insist: --break-lock"


@dataclass(slots=True)
class _Lock:
    owner: object
    holder: str
    since_s: float
    """Wall clock, for people."""
    at_work: bool = field(default=False)
    """Whether something is being done under it now."""


class DeploymentLocks:
    """One lock per application. A connection that was robbed of one is told so at its next step, and gets no other."""

    def __init__(
        self,
        wall_clock: Callable[[], float] = time.time,
        break_s: float = BREAK_S,
        on_trial: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin with none held.

        Args:
            wall_clock: seconds since the epoch.
            break_s: see `BREAK_S`.
            on_trial: whether this keeper may be taken back: then locks are given to those alone who take them by force.
        """
        self._wall_clock = wall_clock
        self._on_trial = on_trial
        self._break_s = break_s
        self._changed = threading.Condition()
        self._held: dict[str, _Lock] = {}
        self._robbed: dict[object, str] = {}
        """By connection, the sentence that it is told."""

    @property
    def holders(self) -> dict[str, str]:
        """Who holds which application's lock: the names that they gave."""
        with self._changed:
            return {application: lock.holder for application, lock in self._held.items()}

    def has_any(self, owner: object) -> bool:
        """Whether a connection holds one."""
        with self._changed:
            return any(lock.owner is owner for lock in self._held.values())

    def take(self, application: str, owner: object, holder: str, *, by_force: bool = False) -> str:
        """Take an application's lock, or keep it. Until `rest` something is being done under it.

        Args:
            application: whose.
            owner: the connection.
            holder: who that is, for others; empty: whoever it was before.
            by_force: take it from somebody else, who learns that at the next step.

        Returns:
            Whom it was taken from and since when they had it, in a sentence; empty where it was free.

        Raises:
            LockHeld: somebody else has it, whom the message names; this connection was robbed; too many are held; this
                keeper is on trial.
        """
        holder = plain_text(holder)
        with self._changed:
            self._check_robbed(owner)
            found = self._held.get(application)
            if found and found.owner is not owner and by_force:
                self._changed.wait_for(lambda: not self._is_at_work(application), self._break_s)
                self._check_robbed(owner)
                found = self._held.get(application)
            if (found is None or found.owner is not owner) and not by_force and self._on_trial():
                raise LockHeld(_ON_TRIAL, hint=_AFTER_TRIAL)
            if found is None:
                self._check_number()
            elif found.owner is not owner and (not by_force or found.at_work):
                raise _in_the_way(application, found, by_force=by_force)
            taken = self._rob(application, found, holder) if found and found.owner is not owner else ""
            if found is None or taken:
                found = _Lock(owner, holder or "somebody", self._wall_clock())
            found.holder, found.at_work = holder or found.holder, True
            self._held[application] = found
            return taken

    def rest(self, owner: object) -> None:
        """This connection does nothing under its locks now, and has them all the same."""
        with self._changed:
            for lock in self._held.values():
                if lock.owner is owner:
                    lock.at_work = False
            self._changed.notify_all()

    def release(self, owner: object, application: str) -> None:
        """Give one lock back, where this connection has it."""
        with self._changed:
            lock = self._held.get(application)
            if lock and lock.owner is owner:
                del self._held[application]
                self._changed.notify_all()

    def leave(self, owner: object) -> None:
        """The connection has ended: what it had is free."""
        with self._changed:
            self._held = {name: lock for name, lock in self._held.items() if lock.owner is not owner}
            self._robbed.pop(owner, None)
            self._changed.notify_all()

    def _is_at_work(self, application: str) -> bool:
        lock = self._held.get(application)
        return lock is not None and lock.at_work

    def _check_robbed(self, owner: object) -> None:
        if owner in self._robbed:
            hint = "ask them; edgekit status shows what runs, and deploying again goes on where this one was"
            raise LockHeld(self._robbed[owner], hint=hint)

    def _check_number(self) -> None:
        if len(self._held) >= MAX_LOCKS:
            raise LockHeld(f"{MAX_LOCKS} applications are being deployed already", hint="try again soon")

    def _rob(self, application: str, found: _Lock, holder: str) -> str:
        by, now = holder or "somebody", _time(self._wall_clock())
        self._robbed[found.owner] = (
            f"{by} took the deployment lock of {application} from you at {now}: nothing more is done for you"
        )
        since = _time(found.since_s)
        return f"{by} took the deployment lock of {application} from {found.holder}, who had it since {since}"


def _in_the_way(application: str, lock: _Lock, *, by_force: bool) -> LockHeld:
    who = f"{application} is being deployed to the device by {lock.holder}, since {_time(lock.since_s)}"
    if by_force:
        message = f"{who}: what is being done right now is not broken off"
        return LockHeld(message, hint="try again when it is over: edgekit status shows it", holder=lock.holder)
    hint = "wait for it, ask them to stop, or take the lock from them: --break-lock"
    return LockHeld(who, hint=hint, holder=lock.holder)


def _time(at_s: float) -> str:
    """Source: the board's clock, which may be wrong; `edgekit logs` goes by the same one."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))
