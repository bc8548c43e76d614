"""What a board remembers of what went wrong: one incident is one line of a file there, and evidence for `edgekit why`.

An incident holds what was seen at that moment and no conclusion: `edgekit.judging.causes` draws it, and a later edgekit
may draw a better one from an old record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from edgekit.errors import Cause
from edgekit.schema.bounds import Between, Length
from edgekit.schema.message import Message, NewerWord
from edgekit.schema.report import Amount, Count

MAX_TEXT = 600
"""Letters of a sentence that are kept."""
MAX_LINE = 300
"""Letters of a line of a log that are kept."""
MAX_LINES = 12
MAX_PROBES = 8
MAX_STREAMS = 8
CRASH_LOOP_ENDS = 3
"""So many ends in a row, each soon after the start, are a crash loop."""
MAX_TOLD = 32
"""Incidents in one answer."""

Seconds = Annotated[float, Between(-1e12, 1e12)]

IncidentKind = Literal["rolled_back", "restarted", "not_started", "refused", "unhealthy", "clock", "keeper", "power"]
"""What happened. `rolled_back`: a release on trial did not become the current one. `restarted`: the worker of the
current one ended by itself. `not_started`: it could not be started. `refused`: something that a client brought was.
`unhealthy`: it runs, and is not healthy now. Of the board itself: `clock`: it jumped. `keeper`: the keeper was ended
without having stopped. `power`: so was the whole board."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledStream:
    """A stream that gave no pictures."""

    name: str
    state: str
    since_s: Amount = 0.0
    message: str = ""
    cause: Cause | NewerWord = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident(Message):
    """One thing that went wrong, with what was seen then."""

    kind: IncidentKind | NewerWord
    number: Count = 0
    """Grows with each of one board, whatever its clock says."""
    at_s: Seconds = 0.0
    """By the board's wall clock, seconds since the epoch."""
    application: str = ""
    """Empty: it is the board's own."""
    version: str = ""
    digest: str = ""
    reason: str = ""
    """One sentence, as whoever found it says it."""
    cause: Cause | NewerWord = ""
    """What lies behind it, where whoever found it knows."""
    hint: str = ""
    """What helps, as whoever found it says it."""
    probes: Annotated[tuple[str, ...], Length(maximum=64)] = ()
    """Each a figure against its limit."""
    streams: Annotated[tuple[TroubledStream, ...], Length(maximum=64)] = ()
    log: Annotated[tuple[str, ...], Length(maximum=64)] = ()
    """The last lines of the application, without secrets."""
    count: Count = 1
    """How many of the same kind came one after the other, this one included."""
    figures: dict[str, Seconds] = field(default_factory=dict)
    """Numbers by name, with their units: `memory_peak_bytes`, `disk_free_bytes`, `ran_s`, `step_s`."""
    facts: dict[str, str] = field(default_factory=dict)
    """Names by what they are of: `port_holder`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidents(Message):
    """The answer to `why`."""

    applications: tuple[str, ...] = ()
    """Those that the board has."""
    incidents: Annotated[tuple[Incident, ...], Length(maximum=4 * MAX_TOLD)] = ()
    """The newest last; those of the board itself among them."""
    now: tuple[Incident, ...] = ()
    """Applications that run, and are not healthy."""
