"""Profiles as files, and those that releases were built with."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.release.folder import ReleaseFolder
from edgekit.host.release.names import FILES, PROFILE
from edgekit.schema.message import from_message
from edgekit.schema.profile import FORMAT, MAX_PROFILE_BYTES, Profile, ProfileFormat


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
    try:
        found = from_message(ProfileFormat, content, str(file)).format
        if found != FORMAT:
            raise InputError(f"{file} has format {found}, and this edgekit reads {FORMAT}", hint=hint)
        return from_message(Profile, content, str(file))
    except InputError as error:
        raise InputError(error.message, hint=hint, details=error.details) from None


def built_profile(folder: ReleaseFolder) -> Profile | None:
    """The profile that a release was built with; None where without one, or with one that this edgekit cannot read."""
    if any(entry.path == PROFILE for entry in folder.manifest.files):
        with suppress(InputError):
            return read_profile(folder.path / FILES / PROFILE)
    return None
