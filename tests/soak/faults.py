"""A camera's life under one fault, again and again: when the worker tells it, and when the camera is back. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from edgekit.schema.report import StreamReport

_LOST = frozenset({"stalled", "frozen", "down"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFault:
    """What happens to a camera, and how soon it must be told and be over."""

    about: str
    begin: Callable[[], object]
    end: Callable[[], object] | None = None
    """None: it is over at once, and only the connection has to be made anew."""
    hold_s: float = 0.0
    """From its beginning to its end."""
    told_within_s: float
    """From its beginning, as the worker promises on a machine that has time."""
    back_within_s: float
    """From its end."""


@dataclass(slots=True)
class CameraTrial:
    """Brings a camera's fault whenever it is due, and looks at each report of the worker."""

    fault: CameraFault
    due_s: float = math.inf
    """When its next fault begins."""
    told_s: list[float] = field(default_factory=list)
    """After how long each was told."""
    back_s: list[float] = field(default_factory=list)
    """How long each return took."""
    _began_s: float | None = None
    _ended_s: float | None = None
    _reconnects: int = 0

    @property
    def waits(self) -> str:
        """What has not come yet; empty while the camera is well."""
        if self._began_s is None:
            return ""
        return "told" if len(self.told_s) == len(self.back_s) else "back"

    def see(self, report: StreamReport, now_s: float) -> None:
        """One report."""
        if self._began_s is None:
            if now_s >= self.due_s:
                self._began_s, self._ended_s, self._reconnects = now_s, None, report.reconnects
                self.due_s = math.inf
                self.fault.begin()
            return
        came_back = report.state == "live" and report.reconnects > self._reconnects
        if self.waits == "told" and (report.state in _LOST or came_back):
            self.told_s.append(now_s - self._began_s)
        if self.waits == "told":
            return
        if self._ended_s is None:
            if self.fault.end is None:
                self._ended_s = self._began_s
            elif now_s >= self._began_s + self.fault.hold_s:
                self._ended_s = now_s
                self.fault.end()
        if self._ended_s is not None and came_back:
            self.back_s.append(now_s - self._ended_s)
            self._began_s = None

    def complaints(self, reconnects: int, slack_s: float) -> list[str]:
        """What it has not kept, after the last report.

        Args:
            reconnects: how often the worker says that the camera came back.
            slack_s: what a loaded machine may take longer.
        """
        found = [f"its fault was never {self.waits}"] if self.waits else []
        for what, took_s, within_s in (
            ("told", self.told_s, self.fault.told_within_s),
            ("back", self.back_s, self.fault.back_within_s),
        ):
            if took_s and max(took_s) > within_s + slack_s:
                found.append(f"{what} after {max(took_s):.1f} s, limit {within_s:g} s and {slack_s:g} s of slack")
        if reconnects != len(self.back_s):
            found.append(f"it came back {reconnects} times from {len(self.back_s)} faults")
        return found
