"""Whether a board is in the state that a release's costs were measured in: power mode, clocks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from edgekit.host.fit.finding import Finding, warn
from edgekit.host.fit.tensorrt import POWER_MODE
from edgekit.schema.control import Status
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.profile import Profile
from edgekit.schema.telemetry import ClockRate

_SAME = 0.02
"""Clocks that differ by less are the same."""
_AGAIN = "or measure again: edgekit profile DEVICE RELEASE"


def judge_profile(profile: Profile, facts: DeviceFacts, clocks: Iterable[ClockRate]) -> tuple[Finding, ...]:
    """Every difference, as a warning.

    Args:
        profile: states mode and clocks.
        facts: the board's.
        clocks: as its sensors tell them now; none: nobody tells.
    """
    found = (_mode(profile, facts), *_clocks(profile, clocks))
    return tuple(one for one in found if one is not None)


def judge_clocks(profile: Profile, clocks: Iterable[ClockRate]) -> tuple[Finding, ...]:
    """Of these differences what clocks tell alone."""
    return tuple(one for one in _clocks(profile, clocks) if one is not None)


def clocks_of(status: Status) -> tuple[ClockRate, ...]:
    """What a board's sensors tell of its clocks; none where nobody tells."""
    return status.board.clocks if status.board else ()


def _mode(profile: Profile, facts: DeviceFacts) -> Finding | None:
    now = next(((one.power_mode, one.power_conf) for one in facts.accelerators if one.power_mode), ("", ""))
    then = (profile.power_mode, profile.power_conf)
    same = not then[0] or not now[0] or then == now
    return warn(
        same,
        POWER_MODE,
        " of ".join(filter(None, now)),
        f"{' of '.join(filter(None, then))}, in which {profile.application} was measured",
        f"sudo nvpmodel -m with that mode's number, {_AGAIN}",
    )


def _clocks(profile: Profile, clocks: Iterable[ClockRate]) -> Iterator[Finding | None]:
    now = {one.clock: one.limit_hertz for one in clocks}
    for then in profile.clocks:
        limit = now.get(then.clock)
        if then.limit_hertz and limit:
            yield warn(
                abs(limit - then.limit_hertz) <= _SAME * then.limit_hertz,
                f"the limit of clock {then.clock}",
                f"{limit / 1e6:.0f} MHz",
                f"{then.limit_hertz / 1e6:.0f} MHz, with which {profile.application} was measured",
                f"choose the profile's power mode, {_AGAIN}",
            )
