"""Profiles as files, and whether a board is in the state that one was measured in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgekit.errors import InputError
from edgekit.schema.message import from_message
from edgekit.schema.profile import FORMAT, MAX_PROFILE_BYTES, Profile
from edgekit.schema.telemetry import ClockRate

_SAME = 0.02
"""Clocks that differ by less are the same."""


def read_profile(file: Path) -> Profile:
    """Read what `edgekit profile` has written.

    Raises:
        InputError: there is no profile, or none that this edgekit reads.
    """
    hint = "edgekit profile DEVICE RELEASE makes one"
    try:
        if file.stat().st_size > MAX_PROFILE_BYTES:
            raise InputError(f"{file} is too large for a profile", hint=hint)
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    profile = from_message(Profile, content, str(file))
    if profile.format != FORMAT:
        raise InputError(f"{file} has format {profile.format}, and this edgekit reads {FORMAT}", hint=hint)
    return profile


def other_state(profile: Profile, clocks: Iterable[ClockRate]) -> tuple[str, ...]:
    """What clocks of a board may rise to now, where that is not what they could when it was measured."""
    now = {one.clock: one.limit_hertz for one in clocks}
    found = []
    for then in profile.clocks:
        limit = now.get(then.clock)
        if then.limit_hertz and limit and abs(limit - then.limit_hertz) > _SAME * then.limit_hertz:
            found.append(
                f"clock {then.clock} may rise to {limit / 1e6:.0f} MHz, and was measured with "
                f"{then.limit_hertz / 1e6:.0f} MHz: measure again, or set the power mode of the profile"
            )
    return tuple(found)
