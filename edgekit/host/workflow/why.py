"""Why the last roll-back, restart or refusal on a device came to be."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.host.link.why import read_incidents
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.judging.causes import Explanation, explain, headline
from edgekit.schema.incident import Incident, Incidents


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedIncident:
    """One thing that went wrong on a device, and why."""

    application: str
    version: str
    digest: str
    at_s: float
    """By the device's clock, seconds since the epoch; 0: now."""
    count: int
    """How often in a row."""
    happened: str
    cause: str
    sentence: str
    evidence: tuple[str, ...]
    log: tuple[str, ...]
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What is to be told of a device."""

    device: str
    application: str
    """Empty: any."""
    last: ExplainedIncident | None
    """What a user asks for; None where nothing went wrong as far as the device remembers."""
    now: tuple[ExplainedIncident, ...]
    """Applications that run and are not healthy."""
    since: tuple[ExplainedIncident, ...]
    """What happened to the device itself after that."""
    earlier: tuple[ExplainedIncident, ...]
    """The newest first."""


def find_why(name: str, application: str, access: DeviceAccess) -> Why:
    """Ask a device what went wrong, and explain it.

    Args:
        name: the device.
        application: of which; empty: of all.
        access: the way there.

    Raises:
        NothingSelected: there is no such device, or nothing is known of such an application there.
        InputError: the keeper there is older.
        Unreachable: it does not answer.
    """
    with access.keeper(name) as keeper:
        found = read_incidents(keeper, application)
    return explain_all(name, application, found)


def explain_all(name: str, application: str, found: Incidents) -> Why:
    """The same from what the device has answered."""
    record = found.incidents
    last = headline(record, application)
    others = [one for one in reversed(record) if one is not last]
    after = [one for one in others if last is not None and one.number > last.number]
    return Why(
        device=name,
        application=application,
        last=_explained(last, record) if last else None,
        now=tuple(_explained(one, record) for one in found.now),
        since=tuple(_explained(one, record) for one in after),
        earlier=tuple(_explained(one, record) for one in others if one not in after),
    )


def _explained(incident: Incident, record: tuple[Incident, ...]) -> ExplainedIncident:
    why: Explanation = explain(incident, record)
    return ExplainedIncident(
        application=incident.application,
        version=incident.version,
        digest=incident.digest,
        at_s=incident.at_s,
        count=incident.count,
        happened=why.happened,
        cause=why.cause,
        sentence=why.sentence,
        evidence=why.evidence,
        log=why.log,
        hint=why.hint,
    )
