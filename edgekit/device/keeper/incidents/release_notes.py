"""What one application's driver finds wrong: as the failure that its state keeps, and as an incident on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.device.keeper.context import KeeperContext
from edgekit.device.keeper.process.supervisor import STEADY_S
from edgekit.device.keeper.process.worker_exit import Exit
from edgekit.errors import Cause
from edgekit.schema.control import ReleaseFailure, ReleaseRef
from edgekit.schema.incident import Incident, IncidentKind, TroubledStream
from edgekit.schema.message import NewerWord
from edgekit.schema.report import Report

_TAIL_LINES = 20
_FINE = frozenset({"live", "ended"})
"""States of a stream that nobody has to explain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFailure:
    """What went wrong with a release, as far as the driver sees."""

    kind: IncidentKind
    reason: str
    probes: tuple[str, ...] = ()
    cause: Cause | NewerWord = ""
    hint: str = ""
    report: Report | None = None
    """The worker's last one."""
    figures: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def ended(cls, kind: IncidentKind, exit_: Exit) -> SeenFailure:
        """The worker ended."""
        figures = {name: float(number) for name, number in exit_.figures.items()}
        return cls(
            kind=kind,
            reason=exit_.reason,
            cause=exit_.cause,
            hint=exit_.report.hint if exit_.report else "",
            report=exit_.report,
            figures=figures,
        )


class ReleaseNotes:
    """Of one application. The keeper's loop calls it."""

    def __init__(self, application: str, context: KeeperContext) -> None:
        self._application = application
        self._context = context
        self._mark = 0
        self._quick_ends = 0
        """Ends one after the other, each soon after its start."""

    def begin(self) -> None:
        """A worker starts: lines before this are another one's."""
        self._mark = self._context.journal.count

    def begin_release(self) -> None:
        """Another release is started, or the same one anew because somebody asked."""
        self._quick_ends = 0

    def failed(self, ref: ReleaseRef, seen: SeenFailure) -> ReleaseFailure:
        """Put on record what went wrong, and give it as the state keeps it."""
        tail = self._context.journal.tail(_TAIL_LINES, self._mark, self._application)
        lines, at_s = tuple(line.text for line in tail), self._context.wall_clock()
        figures = {**seen.figures, **self._streak(seen)}
        self._context.recorder.record(
            Incident(
                kind=seen.kind,
                at_s=at_s,
                application=self._application,
                version=ref.version,
                digest=ref.digest,
                reason=seen.reason,
                cause=seen.cause,
                hint=seen.hint,
                probes=seen.probes,
                streams=troubled_streams(seen.report),
                log=tuple(line for line in lines if not line.startswith("keeper:")),
                figures=figures,
            )
        )
        return ReleaseFailure(
            digest=ref.digest,
            application=ref.application,
            version=ref.version,
            reason=seen.reason,
            probes=seen.probes,
            log_tail=lines,
            at_s=at_s,
            settings=ref.settings,
        )

    def interrupted(self, failure: ReleaseFailure) -> None:
        """At the keeper's start: what was going on when the one before it ended, or that the state cannot be read."""
        self._context.recorder.record(
            Incident(
                kind="rolled_back" if failure.digest else "not_started",
                at_s=failure.at_s,
                application=self._application,
                version=failure.version,
                digest=failure.digest,
                reason=failure.reason,
                cause="" if failure.digest else "damaged",
            )
        )

    def _streak(self, seen: SeenFailure) -> dict[str, float]:
        if seen.kind != "restarted":
            return {}
        self._quick_ends = self._quick_ends + 1 if seen.figures.get("ran_s", 0.0) < STEADY_S else 0
        return {"quick_ends": float(self._quick_ends)}


def troubled_streams(report: Report | None) -> tuple[TroubledStream, ...]:
    """The streams of a report that give no pictures."""
    return tuple(
        TroubledStream(name=one.name, state=one.state, since_s=one.since_s, message=one.message, cause=one.cause)
        for one in (report.streams if report else ())
        if one.state not in _FINE
    )
