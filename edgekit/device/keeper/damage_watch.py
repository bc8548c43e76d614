"""A committed release whose disk rots: read whole once it is in doubt, and left where the one before it is whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from edgekit.device.keeper.context import KeeperContext
from edgekit.device.keeper.incidents.release_notes import ReleaseNotes, SeenFailure
from edgekit.device.keeper.open_tickets import title
from edgekit.device.keeper.update.activation import State
from edgekit.device.keeper.update.examination import Examination
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import EdgekitError
from edgekit.schema.control import ReleaseFailure


class DamageWatch:
    """One application's. The keeper's loop turns it; releases are read on a thread beside it."""

    def __init__(
        self,
        context: KeeperContext,
        notes: ReleaseNotes,
        leave: Callable[[ReleaseFailure, Release], None],
        log: Callable[[str], None],
    ) -> None:
        """Begin with no doubt.

        Args:
            context: the keeper's.
            notes: put on record that a release was left.
            leave: has a release tried in place of the current one, given what is wrong with that; may raise
                EdgekitError.
            log: gets what was found.
        """
        self._context, self._notes, self._leave, self._log = context, notes, leave, log
        self._examination: Examination | None = None
        self._left: tuple[str, str] | None = None
        """The last release that was left, and the one that was tried in its place."""

    def look(self, state: State) -> None:
        """Have the committed release and the one before it read whole; `step` sees what comes of it."""
        if self._examination:
            return
        with contextlib.suppress(RuntimeError):  # no thread to be had: nothing is known, and all goes on as before
            digests = [ref.digest for ref in (state.current, state.previous) if ref]
            self._examination = Examination(digests, self._context.releases.doubts.damage)

    def forget(self) -> None:
        """What was found, or is being looked for, counts no more."""
        self._examination = self._left = None

    def step(self, state: State, *, closing: bool) -> None:
        """Go back to the release before where the current one is damaged and that one is whole.

        Only once, unless somebody asked for something in between: it may not get healthy either.
        """
        look, current, previous = self._examination, state.current, state.previous
        if look is None or not look.over:
            return
        self._examination = None
        wrong = look.wrong_with(current.digest) if current and state.phase == "running" else ()
        if current is None or not wrong:
            return
        reason = f"{title(current)} is damaged on the device: {wrong[0]}"
        self._log(f"{reason}; deploying it again mends it")
        if previous is None or look.wrong_with(previous.digest) != () or closing:
            return
        between = current.digest, previous.digest
        if between == self._left:
            return
        try:
            release = self._context.settings.kept(self._context.releases.committed(previous), current, previous)
            seen = SeenFailure(kind="rolled_back", reason=reason, probes=wrong, cause="damaged")
            self._leave(self._notes.failed(current, seen), release)
        except (EdgekitError, OSError) as error:
            self._log(f"{title(previous)} cannot take its place: {error}")
            return
        self._left = between
        self._context.releases.doubts.distrust(current.digest, wrong)
