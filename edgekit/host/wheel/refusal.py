"""Explains in one sentence why uv found no set of wheels. Pure."""

from __future__ import annotations

import re

from edgekit.errors import WheelError
from edgekit.host.requirements import variable_name
from edgekit.host.wheel.needs import Wanted

_OFFLINE = re.compile(
    r"failed to fetch|error sending request|could not connect|dns error|network was disabled|operation timed out"
    r"|needs to be downloaded from a registry",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(r"\b(\S+) was not found in the (?:package registry|provided package locations)")
_NO_VERSION = re.compile(r"there (?:is|are) no versions? of ([^\s,]+)|\bonly (\w[\w.-]*)\S* (?:is|are) available")
_CLOSED = re.compile(
    r"index URL \((\S+?)\) could not be queried due to a lack of valid authentication credentials \((\d+)"
)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
_YANKED = re.compile(r"Because (?P<name>[\w.-]+)==(?P<version>\S+) was yanked(?: \(reason: (?P<reason>[^)]*)\))?")
_TAKEN_YANKED = re.compile(
    r'^warning: `(?P<name>[\w.-]+)==(?P<version>[^`]+)` is yanked(?: \(reason: "(?P<reason>.*)"\))?$', re.MULTILINE
)
_FETCHED = re.compile(r"Failed to fetch: `?(https?://\S+?)`?$", re.MULTILINE)
_NOISE = re.compile(r"^(?:Resolved \d+ packages? in .*|warning: The requested Python version .*)\n?", re.MULTILINE)
_EDIT = "correct the requirement (python.requirements in recipe.toml)"


def is_offline(output: str) -> bool:
    """Whether uv could not reach an index."""
    return _OFFLINE.search(output) is not None


def unknown_package(output: str) -> str:
    """The package that no index has, by uv's output; empty where uv names none."""
    found = _UNKNOWN.search(output)
    return found[1] if found else ""


def wants_credentials(output: str) -> bool:
    """Whether an index refused for missing or wrong credentials, by uv's output."""
    return _CLOSED.search(output) is not None


def names_yanked(output: str) -> bool:
    """Whether nothing fits because a version was yanked."""
    return _YANKED.search(output) is not None


def yanked_warnings(output: str) -> tuple[str, ...]:
    """A warning for each yanked version of a set: exact requirements still install them."""
    return tuple(
        f"{found['name']} {found['version']} was yanked from the package index"
        + (f": {found['reason']}" if found["reason"] else "")
        for found in _TAKEN_YANKED.finditer(output)
    )


def explain(wanted: Wanted, output: str) -> WheelError:
    """The error that uv's output stands for.

    Args:
        wanted: what was asked for.
        output: what uv printed.
    """
    message, hint = _unreached(wanted, output) if is_offline(output) else _reason(wanted, output)
    return WheelError(message, hint=hint, details=_LOGIN.sub("", _NOISE.sub("", output)))


def _unreached(wanted: Wanted, output: str) -> tuple[str, str]:
    later = "what was built here once needs no network"
    found = _FETCHED.search(output)
    if found and (name := _index_at(wanted, found[1])):
        return f"the index {name} cannot be reached", f"check the network and python.indexes.{name}.url; {later}"
    return "the package index cannot be reached", f"check the network and UV_DEFAULT_INDEX; {later}"


def _index_at(wanted: Wanted, url: str) -> str:
    """The name of the recipe's index that has an address; empty: it is not the recipe's."""
    return next((index.name for index in wanted.rules.indexes if url.startswith(index.url.rstrip("/"))), "")


def _reason(wanted: Wanted, output: str) -> tuple[str, str]:
    if found := _CLOSED.search(output):
        return _closed(wanted, found[1], found[2])
    if found := _UNKNOWN.search(output):
        return f"the package index has no package {found[1]}", _EDIT
    if found := _YANKED.search(output):
        reason = f" ({found['reason']})" if found["reason"] else ""
        yanked = f"{found['name']} {found['version']} was yanked from the package index{reason}"
        return (
            f"{yanked}, and nothing else fits {_asked(wanted, found['name'])}",
            f"take another range, or write {found['name']}=={found['version']} to have it all the same",
        )
    if found := _NO_VERSION.search(output):
        return f"the package index has no such version: {_asked(wanted, found[1] or found[2])}", _EDIT
    if "unsatisfiable" in output:
        return f"the requirements do not fit each other on {wanted}", _EDIT
    return f"uv could not resolve the requirements for {wanted}", "its own words are above"


def _closed(wanted: Wanted, url: str, status: str) -> tuple[str, str]:
    """The error for an index that wants credentials."""
    elsewhere = "or give them in ~/.netrc, or to keyring with UV_KEYRING_PROVIDER=subprocess"
    if name := _index_at(wanted, url):
        variable = f"UV_INDEX_{variable_name(name)}"
        hint = f"set {variable}_USERNAME and {variable}_PASSWORD, {elsewhere}"
        return f"the index {name} got no credentials, or wrong ones ({status})", hint
    return (
        f"the index {url} got no credentials, or wrong ones ({status})",
        f"set UV_DEFAULT_INDEX with them, {elsewhere}",
    )


def _asked(wanted: Wanted, name: str) -> str:
    """The requirement that was written for a package that uv names."""
    bare = re.split(r"[<>=!~]", name)[0]
    return next((text for text in wanted.requirements if re.match(rf"{re.escape(bare)}\b", text)), name)
