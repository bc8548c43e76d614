"""Addresses of devices, as users write them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAddress:
    """Where and as whom to log in, before ssh_config has its say."""

    host: str
    user: str = ""
    """Empty: ssh_config's, or the name of this user here."""
    port: int = 0
    """0: ssh_config's, or 22."""
    identity: str = ""
    """Private key file; empty: ssh_config's, the agent's and the usual keys."""
    known_hosts: str = ""
    """known_hosts file; empty: ssh_config's, or the usual ones."""
    host_key_alias: str = ""


def parse_address(text: str) -> SshAddress:
    """Read `[USER@]HOST[:PORT]`; an IPv6 address stands in brackets.

    Raises:
        ValueError: not an address.
    """
    user, at, rest = text.rpartition("@")
    if rest.startswith("["):
        host, closed, port = rest[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise ValueError(text)
        port = port[1:]
    else:
        host, colon, port = rest.partition(":")
        if colon and not port:
            raise ValueError(text)
    strange = not host or host.startswith("-") or user.startswith("-") or any(c.isspace() or c in "/," for c in text)
    if strange or (at and not user) or (port and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise ValueError(text)
    return SshAddress(host=host, user=user, port=int(port or 0))
