"""A user of its own for each application: what belongs to one, no other can read, signal or trace.

The number is taken from a range that nobody else gives out, and the worker's folder remembers it: it is that folder's
owner. There is no entry in /etc/passwd; a name is all that a program could want of it, and that is in its environment.

Source: systemd, UIDS-GIDS: 60706 to 61183 are unused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_USERS = range(60_800, 60_900)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The user that a worker runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    """The others that it is in: those that own cameras and accelerators."""

    def numbers(self) -> tuple[int, ...]:
        """All of them: user, group, other groups."""
        return (self.uid, self.gid, *self.groups)


class Users:
    """Which application has which user. The keeper's loop alone asks."""

    def __init__(self, template: Owner, applications_dir: Path) -> None:
        self._template = template
        self._applications_dir = applications_dir
        self._given: dict[Path, int] = {}

    def owner(self, work: Path) -> Owner:
        """Whom the worker of a folder runs as; the same one every time.

        With all numbers given away, it is the user that workers share.
        """
        uid = self._uid(work)
        if uid is None:
            return self._template
        self._given[work] = uid
        groups = tuple(group for group in self._template.groups if group != self._template.gid)
        return Owner(uid=uid, gid=uid, groups=groups)

    def shared(self, owner: Owner) -> bool:
        """Whether it is no user of an application's own."""
        return owner.uid == self._template.uid

    def _uid(self, work: Path) -> int | None:
        owned = {path: _owner_of(path) for path in self._applications_dir.glob("*/work")}
        self._given = {path: uid for path, uid in self._given.items() if path in owned}  # of those that are still there
        if owned.get(work) in _USERS:
            return owned[work]
        if work in self._given:
            return self._given[work]
        taken = {*owned.values(), *self._given.values()}
        return next((uid for uid in _USERS if uid not in taken), None)


def _owner_of(path: Path) -> int | None:
    try:
        return os.lstat(path).st_uid
    except OSError:
        return None
