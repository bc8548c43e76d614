"""Whether what a device runs is healthy, as its keeper says. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.host.fit.finding import Finding
from edgekit.schema.control import ON_ITS_WAY, ApplicationStatus


def judge_health(device: str, applications: Iterable[ApplicationStatus]) -> tuple[Finding, ...]:
    """A finding for each application that should run well and does not; one on trial is judged when that is over.

    Args:
        device: its name, for the cure.
        applications: what its keeper says of them.
    """
    return tuple(
        Finding(
            severity="refuse",
            subject=f"the application {one.application}",
            found=f"unhealthy ({'; '.join(one.unhealthy_because)})",
            needed="",
            cure=f"edgekit why {device} {one.application}",
        )
        for one in applications
        if one.unhealthy_because and one.phase not in ON_ITS_WAY
    )
