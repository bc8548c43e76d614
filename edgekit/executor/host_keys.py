"""Host keys: compared with known_hosts, never added to it. Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

A line is taken apart as text: making key objects of a thousand lines costs a third of a second, for each device.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from edgekit.errors import TrustError
from edgekit.executor.ssh_config import SshLogin
from edgekit.executor.ssh_library import paramiko

_REVOKED = "@revoked"
_AUTHORITY = "@cert-authority"
_HASHED = "|1|"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A server's key as known_hosts has it."""

    kind: str
    """`ssh-ed25519`."""
    blob: str
    """Base64."""


class KnownHostsFile:
    """One file, taken apart."""

    def __init__(self, name: str, text: str) -> None:
        """Take the lines apart, but those that are damaged."""
        self.name = name
        self.revoked: set[HostKey] = set()
        self._plain: dict[str, list[HostKey]] = {}
        self._patterns: list[tuple[list[str], HostKey]] = []
        """Hosts with wildcards or exceptions."""
        self._authorities: list[list[str]] = []
        """Hosts of which a certificate would do."""
        self._hashed: list[tuple[bytes, bytes, HostKey]] = []
        """Salt, HMAC-SHA1 of the host's name, and the key."""
        for line in text.splitlines():
            self._read(line.split())

    def keys_of(self, host: str) -> list[HostKey]:
        """All keys that are known of a host, given as `HOST` or `[HOST]:PORT`."""
        encoded = host.encode()
        found = [key for salt, mac, key in self._hashed if hmac.digest(salt, encoded, hashlib.sha1) == mac]
        found += [key for patterns, key in self._patterns if _fits(host, patterns)]
        return [*self._plain.get(host, ()), *found]

    def has_authority(self, host: str) -> bool:
        """Whether a certificate authority is named for a host."""
        return any(_fits(host, patterns) for patterns in self._authorities)

    def _read(self, words: list[str]) -> None:
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or not _is_key(words[2]):
            return
        key = HostKey(kind=words[1], blob=words[2])
        if marker == _REVOKED:
            self.revoked.add(key)
        elif marker == _AUTHORITY:
            self._authorities.append(words[0].split(","))
        elif not marker and set("*?!") & set(words[0]):
            self._patterns.append((words[0].split(","), key))
        elif not marker:
            for host in words[0].split(","):
                if host.startswith(_HASHED):
                    self._hashed += ((salt, mac, key) for salt, mac in _hash_of(host))
                else:
                    self._plain.setdefault(host, []).append(key)


class KnownHosts:
    """What a user's known_hosts files say about one server."""

    def __init__(self, login: SshLogin, files: Iterable[KnownHostsFile]) -> None:
        self._login = login
        self._files = tuple(files)
        self._known = {file.name: keys for file in self._files if (keys := file.keys_of(login.key_name))}

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of keys that are known of the server: `ssh-ed25519`, `ssh-rsa`."""
        return frozenset(key.kind for keys in self._known.values() for key in keys)

    def check(self, key: paramiko.PKey) -> None:
        """Return if the server's key is known.

        Raises:
            TrustError: it is unknown, another one than before, or revoked.
        """
        login, shown_key = self._login, HostKey(kind=key.get_name(), blob=key.get_base64())
        if any(shown_key in file.revoked for file in self._files):
            names = ", ".join(file.name for file in self._files)
            raise TrustError(f"the host key of {login.name} is revoked", hint=f"see {_REVOKED} in {names}")
        if any(shown_key in keys for keys in self._known.values()):
            return
        shown = f"it shows {key.get_name()} {key.fingerprint}"
        for file in self._known:
            raise TrustError(
                f"the host key of {login.name} has changed: the board was set up anew, or somebody is in between",
                hint=f"if you know that it was set up anew: ssh-keygen -R '{login.key_name}' -f {file}",
                details=shown,
            )
        authorities = [file.name for file in self._files if file.has_authority(login.key_name)]
        if authorities:
            raise TrustError(
                f"{authorities[0]} trusts {login.name} by {_AUTHORITY}, which edgekit does not check",
                hint=f"add the board's own key too: ssh-keyscan -p {login.port} {login.host}, and compare it",
                details=shown,
            )
        raise TrustError(
            f"the host key of {login.name} is not known",
            hint=f"compare it with the board's own and accept it once: ssh -p {login.port} {login.user}@{login.host}",
            details=shown,
        )


class CheckKnownHosts(paramiko.MissingHostKeyPolicy):
    """Hands each server's key to `KnownHosts`; paramiko's own check knows neither HostKeyAlias nor revoked keys."""

    def __init__(self, known: KnownHosts) -> None:
        self._known = known

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        """Called for every key, as the client itself is given no known_hosts."""
        self._known.check(key)


def _fits(host: str, patterns: list[str]) -> bool:
    """Whether a host is one of these, and none of those behind a `!`. Source: ssh_config(5), PATTERNS."""
    met = [pattern for pattern in patterns if fnmatchcase(host, pattern.removeprefix("!").replace("[", "[[]"))]
    return bool(met) and not any(pattern.startswith("!") for pattern in met)


def _is_key(blob: str) -> bool:
    try:
        return len(base64.b64decode(blob, validate=True)) > 4
    except (binascii.Error, ValueError):
        return False


def _hash_of(host: str) -> Iterator[tuple[bytes, bytes]]:
    """Salt and HMAC of `|1|SALT|HMAC`; nothing where it is damaged."""
    try:
        salt, mac = host[len(_HASHED) :].split("|")
        yield base64.b64decode(salt, validate=True), base64.b64decode(mac, validate=True)
    except ValueError:
        return
