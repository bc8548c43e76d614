"""Why uv found no set of wheels, in one sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgekit.errors import WheelError
from edgekit.host.wheel.needs import Wanted

_OFFLINE = re.compile(
    r"failed to fetch|error sending request|could not connect|dns error|network was disabled|operation timed out"
    r"|needs to be downloaded from a registry",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"\b(\S+) was not found in the (?:package registry|provided package locations)")
_NO_VERSION = re.compile(r"there (?:is|are) no versions? of ([^\s,]+)|\bonly (\w[\w.-]*)\S* (?:is|are) available")
_NO_WHEEL = re.compile(r"Wheels are required for `([^`]+)`|\b(\w[\w.-]*)\S* ha(?:s|ve) no (?:usable )?wheels")
_OTHER_SYSTEMS = re.compile(r"\b(\w[\w.-]*)\S* has no wheels with a matching")
_EDIT = "correct python.requirements in recipe.toml"


def is_offline(said: str) -> bool:
    """Whether uv got no answer from an index."""
    return _OFFLINE.search(said) is not None


def explain(wanted: Wanted, said: str, to_compile: Sequence[str] = ()) -> WheelError:
    """The error for what uv said.

    Args:
        wanted: what was asked for.
        said: uv's own words.
        to_compile: packages that are known to have no wheel.
    """
    if is_offline(said):
        return WheelError(
            "the package index cannot be reached",
            hint="check the network and UV_DEFAULT_INDEX; what was built here once needs no network",
            details=said,
        )
    message, hint = _reason(wanted, said, to_compile)
    return WheelError(message, hint=hint, details=said)


def _reason(wanted: Wanted, said: str, to_compile: Sequence[str]) -> tuple[str, str]:
    if found := _UNKNOWN.search(said):
        return f"the package index has no package {found[1]}", _EDIT
    if to_compile or (found := _NO_WHEEL.search(said)):
        names = ", ".join(to_compile) or (found and (found[1] or found[2])) or "a package"
        has = "have" if len(to_compile) > 1 else "has"
        wheel = f"{names} {has} no wheel for {wanted} and would have to be compiled"
        return wheel, "take a version that has a wheel, or another package: edgekit does not compile packages yet"
    if found := _OTHER_SYSTEMS.search(said):
        return f"{found[1]} has wheels for other systems, and none for {wanted}", _EDIT
    if found := _NO_VERSION.search(said):
        return f"the package index has no such version: {_asked(wanted, found[1] or found[2])}", _EDIT
    if "unsatisfiable" in said:
        return f"the requirements do not fit each other on {wanted}", _EDIT
    return f"uv could not resolve the requirements for {wanted}", "its own words are above"


def _asked(wanted: Wanted, name: str) -> str:
    """The requirement that was written for a package that uv names."""
    bare = re.split(r"[<>=!~]", name)[0]
    return next((text for text in wanted.requirements if re.match(rf"{re.escape(bare)}\b", text)), name)
