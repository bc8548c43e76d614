"""What happens to the board itself: its clock jumps, or it and its keeper end without having stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.errors import InputError
from edgekit.schema.incident import Incident, Seconds
from edgekit.schema.message import Message, from_message, to_message

JUMP_S = 60.0
"""A step of the wall clock by less is time synchronisation at work, and changes nothing that is judged by days."""


class ClockWatch:
    """Sees the wall clock jump against one that only runs. One thread at a time looks."""

    def __init__(self, steady: Callable[[], float], wall: Callable[[], float], signed: Callable[[], int]) -> None:
        """Begin with what both say now.

        Args:
            steady: seconds that nobody sets, and that count while the board sleeps.
            wall: seconds since the epoch.
            signed: the newest time that was signed and believed: a clock that said less was lost.
        """
        self._steady, self._wall, self._signed = steady, wall, signed
        self._between_s = wall() - steady()

    def now_s(self) -> float:
        """What the wall clock says."""
        return self._wall()

    def look(self) -> Incident | None:
        """The jump since the last look; None where there was none."""
        now_s = self._wall()
        between_s = now_s - self._steady()
        step_s, self._between_s = between_s - self._between_s, between_s
        if abs(step_s) < JUMP_S:
            return None
        signed_s = float(self._signed())
        figures = {"step_s": step_s, "before_s": now_s - step_s, "after_s": now_s, "signed_s": signed_s}
        return Incident(kind="clock", at_s=now_s, reason="the clock jumped", figures=figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running(Message):
    """What lies on disk while a keeper runs."""

    boot: str
    at_s: Seconds


class RunMark:
    """A file that is there while the keeper runs: one that is there at its start was left by an end without warning."""

    def __init__(self, path: Path, disk: Filesystem, wall: Callable[[], float], boot: str) -> None:
        """Put nothing yet.

        Args:
            path: where the mark lies.
            disk: the way there.
            wall: seconds since the epoch.
            boot: this boot's name; empty where the system has none.
        """
        self._path, self._disk, self._wall, self._boot = path, disk, wall, boot

    def begin(self) -> Incident | None:
        """Put the mark; what the one before tells, where there is one."""
        before = self._left()
        with contextlib.suppress(OSError):
            self._disk.make_folders(self._path.parent)
            self._disk.replace(self._path, to_message(_Running(boot=self._boot, at_s=self._wall())))
        if before is None:
            return None
        figures = {"started_s": before.at_s}
        if before.boot == self._boot:
            reason = "the keeper was ended without having stopped: killed, or by its watchdog"
            return Incident(kind="keeper", at_s=self._wall(), reason=reason, figures=figures)
        reason = "the board began anew without having been shut down: its power went, or its kernel stopped"
        return Incident(kind="power", at_s=self._wall(), reason=reason, figures=figures)

    def end(self) -> None:
        """The keeper stops as it should."""
        with contextlib.suppress(OSError):
            self._disk.remove(self._path)

    def _left(self) -> _Running | None:
        try:
            return from_message(_Running, self._path.read_bytes(), self._path.name)
        except FileNotFoundError:
            return None
        except (InputError, OSError):  # torn: it was there
            return _Running(boot="", at_s=0.0)
