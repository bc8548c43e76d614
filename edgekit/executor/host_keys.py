"""Host keys: compared with known_hosts, never added to it. Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"."""

from __future__ import annotations

from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry

from edgekit.errors import TrustError
from edgekit.executor.ssh_config import Login

_REVOKED = "@revoked"


class KnownHosts:
    """What a user's known_hosts files say about one server."""

    def __init__(self, login: Login) -> None:
        """Read the files; those that are not there know nobody."""
        self._login = login
        self._keys: dict[str, paramiko.HostKeys] = {}
        self._revoked: list[paramiko.PKey] = []
        for file in login.known_hosts:
            if Path(file).is_file():
                self._keys[file] = keys = paramiko.HostKeys()
                self._read(Path(file).read_text(encoding="utf-8", errors="replace"), keys)

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of keys that are known of the server: `ssh-ed25519`, `ssh-rsa`."""
        found = [keys.lookup(self._login.key_name) for keys in self._keys.values()]
        return frozenset(kind for keys in found if keys is not None for kind in keys)

    def check(self, key: paramiko.PKey) -> None:
        """Return if the server's key is known.

        Raises:
            TrustError: it is unknown, another one than before, or revoked.
        """
        login = self._login
        if key in self._revoked:
            raise TrustError(
                f"the host key of {login.name} is revoked", hint=f"see {_REVOKED} in {', '.join(self._keys)}"
            )
        if any(keys.check(login.key_name, key) for keys in self._keys.values()):
            return
        shown = f"it shows {key.get_name()} {key.fingerprint}"
        for file, keys in self._keys.items():
            if keys.lookup(login.key_name) is not None:
                raise TrustError(
                    f"the host key of {login.name} has changed: the board was set up anew, or somebody is in between",
                    hint=f"if you know that it was set up anew: ssh-keygen -R '{login.key_name}' -f {file}",
                    details=shown,
                )
        raise TrustError(
            f"the host key of {login.name} is not known",
            hint=f"compare it with the board's own and accept it once: ssh -p {login.port} {login.user}@{login.host}",
            details=shown,
        )

    def _read(self, text: str, keys: paramiko.HostKeys) -> None:
        """Read a file's lines, but those that are damaged; paramiko's own reader fails at markers."""
        for line in text.splitlines():
            marker, _, rest = line.strip().partition(" ") if line.startswith("@") else ("", "", line)
            try:
                entry = HostKeyEntry.from_line(rest)
            except (paramiko.hostkeys.InvalidHostKey, paramiko.SSHException):
                continue
            if entry is None or entry.key is None:
                continue
            if marker == _REVOKED:
                self._revoked.append(entry.key)
            elif not marker:
                for name in entry.hostnames or ():
                    keys.add(name, entry.key.get_name(), entry.key)


class CheckKnownHosts(paramiko.MissingHostKeyPolicy):
    """Hands each server's key to `KnownHosts`; paramiko's own check knows neither HostKeyAlias nor revoked keys."""

    def __init__(self, known: KnownHosts) -> None:
        self._known = known

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        """Called for every key, as the client itself is told of none."""
        self._known.check(key)
