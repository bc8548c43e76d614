"""Why uv found no set of wheels, in one sentence. Pure."""

from __future__ import annotations

import re

from edgekit.errors import WheelError
from edgekit.host.wheel.needs import Wanted

_OFFLINE = re.compile(
    r"failed to fetch|error sending request|could not connect|dns error|network was disabled|operation timed out"
    r"|needs to be downloaded from a registry",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"\b(\S+) was not found in the (?:package registry|provided package locations)")
_NO_VERSION = re.compile(r"there (?:is|are) no versions? of ([^\s,]+)|\bonly (\w[\w.-]*)\S* (?:is|are) available")
_EDIT = "correct the requirement (python.requirements in recipe.toml)"


def is_offline(said: str) -> bool:
    """Whether uv got no answer from an index."""
    return _OFFLINE.search(said) is not None


def names_unknown_package(said: str) -> bool:
    """Whether uv says that an index has no such package."""
    return _UNKNOWN.search(said) is not None


def explain(wanted: Wanted, said: str) -> WheelError:
    """The error for what uv said.

    Args:
        wanted: what was asked for.
        said: uv's own words.
    """
    if is_offline(said):
        return WheelError(
            "the package index cannot be reached",
            hint="check the network and UV_DEFAULT_INDEX; what was built here once needs no network",
            details=said,
        )
    message, hint = _reason(wanted, said)
    return WheelError(message, hint=hint, details=said)


def _reason(wanted: Wanted, said: str) -> tuple[str, str]:
    if found := _UNKNOWN.search(said):
        return f"the package index has no package {found[1]}", _EDIT
    if found := _NO_VERSION.search(said):
        return f"the package index has no such version: {_asked(wanted, found[1] or found[2])}", _EDIT
    if "unsatisfiable" in said:
        return f"the requirements do not fit each other on {wanted}", _EDIT
    return f"uv could not resolve the requirements for {wanted}", "its own words are above"


def _asked(wanted: Wanted, name: str) -> str:
    """The requirement that was written for a package that uv names."""
    bare = re.split(r"[<>=!~]", name)[0]
    return next((text for text in wanted.requirements if re.match(rf"{re.escape(bare)}\b", text)), name)
