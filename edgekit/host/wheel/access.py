"""Credentials for package indexes, found where uv finds them, for what edgekit downloads itself.

Source: uv, Using indexes: Providing credentials directly; uv, HTTP credentials: netrc, keyring.
"""

from __future__ import annotations

import netrc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from edgekit.errors import EdgekitError
from edgekit.executor import Executor
from edgekit.host.requirements import variable_name
from edgekit.host.wheel.cross.downloads import Credentials
from edgekit.host.wheel.needs import Index

_KEYRING_TIMEOUT_S = 30.0
_LISTS = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
"""Variables that list indexes, each `URL` or `NAME=URL`, with blanks between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Finds credentials."""

    indexes: tuple[Index, ...]
    """Those that the recipe declares."""
    variables: Mapping[str, str] = field(repr=False)
    """What uv is told in the environment."""
    netrc: Path
    executor: Executor

    def login(self, url: str) -> Credentials | None:
        """The credentials for an address; None where there are none."""
        address = urlsplit(url)
        if address.scheme not in ("http", "https"):
            return None
        near = self._near(address)
        for name, index in near:
            login = self._told(name, index)
            if login is not None and not login.password:
                login = self._from_keyring(login.user, index)
            if login is not None:
                return login
        users = (login for name, index in near if (login := self._told(name, index)))
        return self._from_netrc(address.hostname or "") or next(users, None)  # a token may be a user without password

    def _near(self, address: SplitResult) -> list[tuple[str, SplitResult]]:
        """Indexes on that server, those with the longest common path first."""
        known = [(index.name, urlsplit(index.url)) for index in self.indexes]
        for variable in _LISTS:
            known += _listed(self.variables.get(variable, "").split())
        same = [(name, index) for name, index in known if _server(index) == _server(address)]
        return sorted(same, key=lambda pair: -_shared(pair[1].path, address.path))

    def _told(self, name: str, index: SplitResult) -> Credentials | None:
        """Credentials from the address and the environment; the password may be missing."""
        prefix = f"UV_INDEX_{variable_name(name)}"
        user, password = (self.variables.get(f"{prefix}_{part}", "") * bool(name) for part in ("USERNAME", "PASSWORD"))
        user, password = unquote(index.username or "") or user, unquote(index.password or "") or password
        return Credentials(user=user, password=password) if user or password else None

    def _from_keyring(self, user: str, index: SplitResult) -> Credentials | None:
        if self.variables.get("UV_KEYRING_PROVIDER") != "subprocess":
            return None
        for place in (index._replace(netloc=index.netloc.rpartition("@")[2]).geturl(), index.hostname or ""):
            try:
                done = self.executor.run(["keyring", "get", place, user], timeout_s=_KEYRING_TIMEOUT_S)
            except EdgekitError:  # it is not there, or asks a person and waits
                return None
            if done.returncode == 0 and done.text:
                return Credentials(user=user, password=done.text)
        return None

    def _from_netrc(self, host: str) -> Credentials | None:
        try:
            found = netrc.netrc(self.netrc).authenticators(host)
        except (OSError, netrc.NetrcParseError):
            return None
        return Credentials(user=found[0], password=found[2] or "") if found else None


def _listed(words: Iterable[str]) -> Iterator[tuple[str, SplitResult]]:
    for word in words:
        name, separator, url = word.partition("=")
        is_named = bool(separator) and "/" not in name
        yield (name, urlsplit(url)) if is_named else ("", urlsplit(word))


def _server(address: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        port = address.port
    except ValueError:
        port = None
    return address.scheme, address.hostname, port or {"http": 80, "https": 443}.get(address.scheme)


def _shared(one: str, other: str) -> int:
    parts = zip(one.strip("/").split("/"), other.strip("/").split("/"), strict=False)
    return next((number for number, (left, right) in enumerate(parts) if left != right), len(one))
